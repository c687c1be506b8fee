"""What the table of commands is made of: commands, their options, and how an option's value is read."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from .ir.errors import InputError
from .ir.files import check_place


@dataclass(frozen=True)
class Option:
    """One argument of a command: its flags (or its positional name) and argparse's settings for it."""

    flags: tuple[str, ...]
    settings: dict[str, Any]


@dataclass(frozen=True)
class Command:
    """One command: its name, of one or two words, and the function of ``commands`` that does it."""

    name: str
    summary: str
    example: str
    run: str
    options: tuple[Option, ...] = field(default=())


def option(*flags: str, **settings: Any) -> Option:
    """An argument, written as for ``ArgumentParser.add_argument``."""
    return Option(flags, settings)


LARGEST, LARGEST_SEED = 2**63 - 1, 2**31 - 1
"""What fits a size in memory; what every library takes for a seed."""


def positive(text: str) -> int:
    """A whole number from 1 up."""
    return _between(text, 1, LARGEST)


def whole(text: str) -> int:
    """A whole number from 0 up."""
    return _between(text, 0, LARGEST)


def seed(text: str) -> int:
    """A seed."""
    return _between(text, 0, LARGEST_SEED)


def _between(text: str, least: int, most: int) -> int:
    # Twenty digits hold every number up to the largest; more are not worth converting.
    found = int(text) if text.isascii() and text.isdigit() and len(text) <= 20 else -1
    if not least <= found <= most:
        limit = f"from {least} to {most}" if found > most or len(text) > 20 else f"from {least} up"
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number {limit}")
    return found


def amount(text: str) -> float:
    """A number from 0 up, finite."""
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 up")
    return found


def rate(text: str) -> Fraction:
    """A number above 0, exactly."""
    try:
        found = Fraction(text)
    except (ValueError, ZeroDivisionError):
        found = Fraction(0)
    if found <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return found


def sizes(text: str) -> list[int]:
    """``64,128,256`` as numbers."""
    return [positive(part) for part in text.split(",")]


def names(text: str) -> tuple[str, ...]:
    """``input_ids,kinds`` as names."""
    found = tuple(part.strip() for part in text.split(","))
    if not all(part and not set(part) & set("{}=+") for part in found):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME[,NAME…], such as input_ids")
    return found


def tokens(text: str) -> list[int]:
    """``1,2,3`` as token numbers."""
    return [whole(part) for part in text.split(",")]


def temperature(text: str) -> float:
    """A number from 0 up."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 up")
    return number


def shape(text: str) -> tuple[str, list[int]]:
    """``s=64,128``: a rank and the sizes it is compiled for."""
    rank, equals, numbers = text.partition("=")
    if not equals or not rank.isidentifier():
        raise argparse.ArgumentTypeError(f"{text!r} is not RANK=N[,N…], such as s=64,128")
    return rank, sizes(numbers)


def extents(text: str) -> dict[str, int]:
    """``e=64,f=64``: ranks and their extents."""
    found: dict[str, int] = {}
    for part in text.split(","):
        rank, equals, number = part.strip().partition("=")
        if not equals or not rank.isidentifier():
            raise argparse.ArgumentTypeError(f"{text!r} is not RANK=N[,RANK=N…], such as e=64,f=64")
        if rank in found:
            raise argparse.ArgumentTypeError(f"{text!r} gives {rank} twice")
        found[rank] = positive(number)
    return found


def pool(text: str) -> tuple[str, int]:
    """``sram=65536``: a pool and its bytes."""
    name, equals, number = text.partition("=")
    if not equals or not name or any(character.isspace() for character in name):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=BYTES, such as sram=65536")
    return name, positive(number)


def place(text: str) -> str:
    """Where a file is to be written: looked at before the work that fills it."""
    check_place(text)
    return text


def by_rank(given: Sequence[tuple[str, list[int]]]) -> dict[str, list[int]] | None:
    """``--shape`` options as one table; None when there were none."""
    ranks = [rank for rank, _ in given]
    twice = sorted({rank for rank in ranks if ranks.count(rank) > 1})
    if twice:
        raise InputError(f"--shape names {', '.join(twice)} twice", accepted=f"--shape {twice[0]}=64,128")
    return dict(given) or None


def one_extent_each(given: Sequence[Mapping[str, int]]) -> dict[str, int] | None:
    """``--shape`` options of ``analyze`` as one table; None when there were none."""
    found: dict[str, int] = {}
    for extents in given:
        for rank, extent in extents.items():
            if rank in found:
                raise InputError(f"--shape names {rank} twice", accepted=f"--shape {rank}={extent}")
            found[rank] = extent
    return found or None


MODEL = option(
    "model", metavar="MODEL", help="zoo:NAME[,key=value…], path.py:callable, file.pt2 or file.mlir"
)
BUNDLE = option("bundle", metavar="BUNDLE", help="a directory that `penstock compile` wrote")
OUT = option("-o", "--out", metavar="PATH", help="where to write")
SEED = option("--seed", type=seed, default=0, metavar="N", help="seed of everything random (default 0)")
THREADS = option("--threads", type=positive, metavar="N", help="threads to use (default: the cores present)")
TARGET = option(
    "--target", default="cpu", metavar="T", help="a name from `penstock targets`, or a .toml file"
)
PIPELINE = option(
    "--pipeline", metavar="PASSES", help='passes in order, such as "relabel,simplify,fuse,place"'
)
FULL = option("--full", action="store_true", help="recompute what is otherwise read from a stored result")
RANK_SIZES = option(
    "--shape",
    type=extents,
    action="append",
    default=[],
    metavar="RANK=N[,RANK=N…]",
    help="sizes of a model's ranks",
)
