"""The C++ driver of a design between streams: what goes in and out, which counters are read at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .folder import fill

NAME = "sim_main.cpp"
TEMPLATE = "stream_main.cpp"


@dataclass(frozen=True)
class Stream:
    """A stream into the top.

    Attributes:
        name: of the image on the driver's command line; its file is ``{name}.hex``.
        port: the ports' prefix.
        before_start: it is through before the design starts.
    """

    name: str
    port: str
    before_start: bool = False


@dataclass(frozen=True)
class Driver:
    """What a driver is made for.

    Attributes:
        layer, einsum, top: for its heading.
        streams: in.
        figures: counters and flags; the port of each is ``{name}_o``.
        result: what comes out, for a comment.
        word: a word of it, likewise.
        words, word_bytes: how many and how large.
    """

    layer: str
    einsum: str
    top: str
    streams: Sequence[Stream]
    figures: Sequence[str]
    result: str
    word: str
    words: int
    word_bytes: int

    def text(self) -> str:
        """The C++ program."""
        lines = [f"  X({each.name}, {each.port}, {str(each.before_start).lower()})" for each in self.streams]
        return fill(
            TEMPLATE,
            {
                "layer": self.layer,
                "einsum": self.einsum,
                "top": self.top,
                "word": self.word,
                "usage": " ".join(f"--{each.name} {each.name}.hex" for each in self.streams),
                "streams": " \\\n".join(lines),
                "figures": " ".join(f"X({name})" for name in self.figures),
                "result_words": self.words,
                "result": self.result,
                "word_bytes": self.word_bytes,
            },
        )
