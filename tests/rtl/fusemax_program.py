"""Programs for the FuseMax array put together by hand, and the words of its streams.

One tile's operations follow each other with the gaps the array needs (`tile_operations`); `fold` lays tiles
that begin every period over each other. Nothing is optimised: real programs are emitted from schedules.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

OPS_2D = {"mac": 1, "maxd": 2, "subv": 3, "sumd": 4, "macd": 5} | {f"exp{k}": 8 + k for k in range(6)}
OPS_1D = {"max": 1, "sub": 2, "mul": 3, "add": 4} | {f"exp{k}": 8 + k for k in range(6)}
# Where fields lie in a micro-operation.
PLACES_2D = {
    "rd": 7,
    "rd_rot": 11,
    "ra": 12,
    "ra_rot": 16,
    "first": 17,
    "idx": 18,
    "lane": 25,
    "lane_rot": 30,
}
PLACES_1D = {"rd": 7, "rd_rot": 12, "a": 13, "a_rot": 18, "b": 19, "b_rot": 24} | {
    name: 25 + place for place, name in enumerate(("a_state", "rd_state", "b_state", "idx"))
}
PLACES_1D["init_inf"] = 36

# Lane registers, each with its copy for odd tiles.
LM, RM, PRM, SLD, SPD, SPNV, SLNV = range(0, 14, 2)


@dataclass(frozen=True)
class Operation:
    """A micro-operation: its cycle from the tile's beginning, its unit (2 or 1 dimensions), its fields."""

    cycle: int
    unit: int
    name: str
    fields: dict[str, int]


def tile_operations(rows: int, e: int, f: int) -> list[Operation]:
    """Cascade 5 on one tile, one Einsum after the other; every register in two copies."""
    found: list[Operation] = []

    def array(cycle: int, name: str, **fields: int) -> None:
        rotated = {"rd_rot": 1, "ra_rot": 1, "lane_rot": 1}
        found.append(Operation(cycle, 2, name, rotated | fields))

    def row(cycle: int, name: str, **fields: int) -> None:
        found.append(Operation(cycle, 1, name, {"rd_rot": 1, "a_rot": 1, "b_rot": 1} | fields))

    for i in range(e):
        array(i, "mac", idx=i, first=int(i == 0))
    array(e, "maxd", lane=LM)
    maximum = e + rows
    row(maximum, "max", a_state=1, init_inf=1, b=LM, rd=RM)
    array(maximum + 1, "subv", lane=RM)
    row(maximum + 1, "sub", a_state=1, init_inf=1, b=RM, b_state=1, rd=PRM)
    for k in range(6):
        array(maximum + 2 + k, f"exp{k}")
        row(maximum + 2 + k, f"exp{k}", rd=PRM)
    total = maximum + 8
    array(total, "sumd", lane=SLD)
    row(total, "mul", a_state=1, idx=1, b=PRM, rd=SPD)
    row(total + rows, "add", a=SPD, b=SLD, rd_state=1, idx=1)
    values = total + 1
    for i in range(f):
        array(values + 2 * i, "macd", idx=i, lane=SLNV)
        row(values + 2 * i + rows, "mul", a_state=1, idx=2 + i, b=PRM, rd=SPNV)
        row(values + 2 * i + rows + 1, "add", a=SPNV, b=SLNV, rd_state=1, idx=2 + i)
    return found


def length(operations: list[Operation]) -> int:
    """Cycles of one tile."""
    return max(operation.cycle for operation in operations) + 1


def fold(operations: list[Operation], period: int) -> list[int] | None:
    """Program words of tiles that begin every ``period`` cycles; None where two need a unit at once."""
    words = [0] * period
    taken = set()
    for operation in operations:
        stage, cycle = divmod(operation.cycle, period)
        if (operation.unit, cycle) in taken:
            return None
        taken.add((operation.unit, cycle))
        words[cycle] |= encode(operation, stage)
    return words


def encode(operation: Operation, stage: int) -> int:
    """The bits of a program word that say it."""
    codes, places, base = (OPS_2D, PLACES_2D, 0) if operation.unit == 2 else (OPS_1D, PLACES_1D, 32)
    fields = sum(value << places[name] for name, value in operation.fields.items())
    return (codes[operation.name] | stage << 4 | fields) << base


def program(rows: int, e: int, f: int, stages: int) -> list[int]:
    """Words of an epoch with so many tiles in flight."""
    operations = tile_operations(rows, e, f)
    whole = length(operations)
    for period in range(-(-whole // stages), whole + 1):
        words = fold(operations, period)
        if words is not None and -(-whole // period) == stages:
            return words
    raise ValueError(f"no period with {stages} tiles in flight")


@dataclass(frozen=True)
class Block:
    """Queries ``[p1 * cols, e]``, keys ``[m, e]`` and values ``[m, f]`` of one block, FP16."""

    q: NDArray[np.float16]
    k: NDArray[np.float16]
    v: NDArray[np.float16]

    @staticmethod
    def random(seed: int, queries: int, keys: int, e: int, f: int, scale: float = 1.0) -> Block:
        """Normally distributed numbers."""
        numbers = np.random.default_rng(seed)
        shapes = (queries, e), (keys, e), (keys, f)
        return Block(*((numbers.standard_normal(shape) * scale).astype(np.float16) for shape in shapes))

    def words(self, rows: int, cols: int) -> list[int]:
        """The input stream; rows beyond the last key hold NaNs, which must not matter."""
        width = max(rows, cols)
        words = columns(self.q, cols, width)
        k, v = columns(self.k, rows, width), columns(self.v, rows, width)
        e, f = self.k.shape[1], self.v.shape[1]
        for tile in range(len(k) // e):
            words += k[tile * e : (tile + 1) * e] + v[tile * f : (tile + 1) * f]
        return words


def columns(values: NDArray[np.float16], lanes: int, width: int) -> list[int]:
    """``[n, length]`` in groups of ``lanes`` vectors: one word per element, a vector per 16 bits."""
    groups = -(-len(values) // lanes)
    padded = np.full((groups * lanes, values.shape[1]), np.nan, np.float16)
    padded[: len(values)] = values
    wide = np.full((groups, values.shape[1], width), np.nan, np.float16)
    wide[..., :lanes] = padded.reshape(groups, lanes, -1).transpose(0, 2, 1)
    return [int.from_bytes(row.astype("<f2").tobytes(), "little") for row in wide.reshape(-1, width)]
