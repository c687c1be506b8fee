"""How a kernel's contractions are cut: as the cache model says, or as a search found (`tuning.py`).

Written on a ``cascade.fused`` op as the text attribute ``blocking``, ``"rows=64,vectors=3"``; what is not
said there is as the cache model has it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from ...ir.errors import PassError

BLOCKING = "blocking"
"""Name of the attribute."""


@dataclass(frozen=True)
class Blocking:
    """The cuts of one kernel.

    Attributes:
        rows: of a tile at most.
        lanes: of a tile, about.
        stretch: 32nds of the second-level cache for a block's panel over one stretch of the depth.
        vectors: of a register block; 0 leaves it to `register_blocks.py`.
    """

    rows: int = 128
    lanes: int = 384
    stretch: int = 3
    vectors: int = 0

    def __str__(self) -> str:
        named = ((field.name, getattr(self, field.name), field.default) for field in fields(self))
        return ",".join(f"{name}={value}" for name, value, default in named if value != default)

    @staticmethod
    def parse(text: str) -> Blocking:
        """The cuts that `str` has written.

        Raises:
            PassError: an unknown name, or no whole number from 1 up (`vectors`: from 0 to 8).
        """
        known = {field.name for field in fields(Blocking)}
        given: dict[str, int] = {}
        for item in filter(None, text.split(",")):
            name, _, value = item.partition("=")
            right = name in known and value.isascii() and value.isdigit() and len(value) <= 6
            if not right or (int(value) == 0 and name != "vectors") or (name == "vectors" and int(value) > 8):
                raise PassError(
                    f"'{item}' is no cut of a contraction",
                    where=f'{BLOCKING} = "{text}"',
                    accepted=", ".join(f"{each}=N" for each in sorted(known)),
                )
            given[name] = int(value)
        return Blocking(**given)
