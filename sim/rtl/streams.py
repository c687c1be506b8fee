"""Designs that take valid/ready streams and give their results as one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

from .design import Design


@dataclass(frozen=True)
class Stream:
    """A valid/ready stream into the top and what it carries.

    Attributes:
        port: its ports are ``{port}_valid_i``, ``{port}_ready_o`` and ``{port}_data_i``.
        image: the memory image, one word a line.
        before_start: it is through before the design starts.
    """

    port: str
    image: Path
    before_start: bool = False


@dataclass(frozen=True)
class StreamDesign(Design):
    """A design between streams; the port of each of its figures is ``{name}_o``."""

    cocotb_driver: ClassVar[str] = "penstock.sim.rtl.cocotb_streams"

    @property
    @abstractmethod
    def streams(self) -> Mapping[str, Stream]:
        """What streams in, by the driver's name for it."""

    @property
    @abstractmethod
    def result_words(self) -> int:
        """Words of results."""

    @property
    @abstractmethod
    def word_bytes(self) -> int:
        """Bytes of a word of results."""

    @property
    def result_bytes(self) -> int:
        """All words, in the order they leave."""
        return self.result_words * self.word_bytes

    def arguments(self) -> list[str]:
        """An image for every stream."""
        return [each for name, stream in self.streams.items() for each in (f"--{name}", str(stream.image))]

    def job(self) -> dict[str, Any]:
        """The streams, and the size of a result's word."""
        streams = [{**asdict(stream), "image": str(stream.image)} for stream in self.streams.values()]
        return {"streams": streams, "word_bytes": self.word_bytes}
