"""Attention in the five configurations of FuseMax (§VI-A), as cascades and mappings of the physical model.

Ranks: B, H; E and F of queries and values; M keys, P queries. ``binding`` and ``architecture`` run the
one-pass cascade on FuseMax's arrays with tiles overlapped, and one after the other; ``cascade`` runs it on
FLAT's arrays; ``flat`` is the fused three-pass cascade, and ``unfused`` its three parts through DRAM.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

import numpy as np

from ....ir.errors import InputError
from ....ir.schedule import Schedule
from ....ir.targets import Target
from ....ir.view import Cascade
from ....ir.view_text import parse_cascade
from .batch import figures
from .legal import legal
from .mapping import Mapping as SpatialMapping
from .mapping import MappingError, Nest, Split
from .physical import SpatialCost, evaluate
from .points import Points
from .workload import problem

CONFIGURATIONS = ("unfused", "flat", "cascade", "architecture", "binding")
TWO, ONE = "array-2d", "array-1d"

ONE_PASS = """
init:
  BK[b,h,e,m1,m0] = K[b,h,e,m1*M0+m0]
  BV[b,h,f,m1,m0] = V[b,h,f,m1*M0+m0]
  RM[b,h,0,p] = -inf
  RD[b,h,0,p] = 0
  RNV[b,h,f,0,p] = 0
einsums:
  BQK[b,h,m1,m0,p] = sum[e] mul(Q[b,h,e,p], BK[b,h,e,m1,m0])
  LM[b,h,m1,p] = max[m0] BQK[b,h,m1,m0,p]
  RM[b,h,m1+1,p] = max(RM[b,h,m1,p], LM[b,h,m1,p])
  SLN[b,h,m1,m0,p] = exp_sub(BQK[b,h,m1,m0,p], RM[b,h,m1+1,p])
  SLD[b,h,m1,p] = sum[m0] SLN[b,h,m1,m0,p]
  SLNV[b,h,f,m1,p] = sum[m0] mul(SLN[b,h,m1,m0,p], BV[b,h,f,m1,m0])
  PRM[b,h,m1,p] = exp_sub(RM[b,h,m1,p], RM[b,h,m1+1,p])
  SPD[b,h,m1,p] = mul(RD[b,h,m1,p], PRM[b,h,m1,p])
  RD[b,h,m1+1,p] = add(SLD[b,h,m1,p], SPD[b,h,m1,p])
  SPNV[b,h,f,m1,p] = mul(RNV[b,h,f,m1,p], PRM[b,h,m1,p])
  RNV[b,h,f,m1+1,p] = add(SLNV[b,h,f,m1,p], SPNV[b,h,f,m1,p])
  AV[b,h,f,p] = div(RNV[b,h,f,M1,p], RD[b,h,M1,p])
stop: m1 >= M1
"""
"""FuseMax, cascade 5 (equations 39–56), with batch and heads."""

THREE_PASS = """
  QK[b,h,m,p] = sum[e] mul(Q[b,h,e,p], K[b,h,e,m])
  GM[b,h,p] = max[m] QK[b,h,m,p]
  SN[b,h,m,p] = exp_sub(QK[b,h,m,p], GM[b,h,p])
  SD[b,h,p] = sum[m] SN[b,h,m,p]
  A[b,h,m,p] = div(SN[b,h,m,p], SD[b,h,p])
  AV[b,h,f,p] = sum[m] mul(A[b,h,m,p], V[b,h,f,m])
"""
"""FuseMax, cascade 4 (equations 33–38), with batch and heads."""

_IN_ARRAY = ("BQK", "LM", "SLN", "SLD", "SLNV")
_ON_FLAT = ("BQK", "SLNV")


def one_pass(batch: int, heads: int, e: int, f: int, m: int, p: int, rows: int) -> Cascade:
    """Cascade 5 with tiles of `rows` keys, the last one padded."""
    m0 = max(1, min(rows, m))
    shape = f"B={batch} H={heads} E={e} F={f} M1={-(-m // m0)} M0={m0} P={p}"
    return parse_cascade(shape + ONE_PASS, where="one-pass attention")


def three_pass(batch: int, heads: int, e: int, f: int, m: int, p: int) -> Cascade:
    """Cascade 4."""
    shape = f"B={batch} H={heads} E={e} F={f} M={m} P={p}"
    return parse_cascade(shape + THREE_PASS, where="three-pass attention")


def query_tiles(target: Target, e: int, f: int, p: int, *, spilled: int = 0) -> int:
    """P1: the largest divisor of P over the columns for which a block's state fits the buffer (§V).

    Args:
        target: with a global buffer.
        e, f, p: extents.
        spilled: words more for every query, of intermediates that go through the buffer.
    """
    rows, cols = target.find_unit(TWO).shape
    tiles = max(1, -(-p // cols))
    capacity = target.tier[0].capacity_bytes or 0
    most = (capacity - 2 * rows * (e + f)) // (2 * cols * (e + f + 2 + spilled))
    return max([n for n in range(1, tiles + 1) if tiles % n == 0 and n <= most], default=1)


def fusemax(
    cascade: Cascade, target: Target, *, p1: int, configuration: str = "binding", single: bool = False
) -> SpatialMapping:
    """The paper's mapping 1: ``b, h / p2 / m1 / p1 / ∥p0 ∥m0``, keys and values stationary over p1.

    Args:
        cascade: of `one_pass`.
        target: with FuseMax's units, or FLAT's.
        p1: query tiles that share a tile of keys and values.
        configuration: ``binding``, ``architecture`` (tiles one by one) or ``cascade`` (FLAT's arrays).
        single: one tile of queries in the buffer, and outputs written over their sums.
    """
    extents = cascade.extents
    on_flat = configuration == "cascade"
    in_array = _ON_FLAT if on_flat else _IN_ARRAY
    names = [einsum.output.tensor for einsum in cascade.einsums]
    kept = "buffer" if on_flat else "array"
    nest = Nest(
        units={name: TWO if name in in_array else ONE for name in names},
        splits={
            "b": Split(extents["b"]),
            "h": Split(extents["h"]),
            "m1": Split(extents["m1"]),
            "m0": Split(1, 1, extents["m0"]),
            "p": _columns(extents["p"], target, p1),
            "e": Split(1, extents["e"]),
            "f": Split(1, extents["f"]),
        },
        rows=("m0",),
        cols=("p",),
        dram_order=("b", "h", "p", "m1"),
        buffer_order=("p",),
        tile_order=("e", "f"),
        keep={"BQK": kept, "SLN": kept},
        pipelined=configuration != "architecture",
        single=("Q", "AV") if single else (),
        in_place={"AV": "RNV"} if single else {},
    )
    return SpatialMapping((nest,))


def attention(
    batch: int,
    heads: int,
    e: int,
    f: int,
    m: int,
    p: int,
    target: Target,
    configuration: str = "binding",
    *,
    schedule: Schedule | None = None,
) -> SpatialCost:
    """What attention costs in one of the paper's configurations, in the physical model.

    Args:
        batch, heads, e, f, m, p: extents, in elements.
        target: ``fusemax-cloud`` for binding and architecture, ``flat-cloud`` for the others.
        configuration: one of `CONFIGURATIONS`.
        schedule: of one tile, for ``binding``: its cycles are then the epochs'.

    Raises:
        InputError: an unknown configuration.
        MappingError: nothing fits.
    """
    if configuration not in CONFIGURATIONS:
        raise InputError(
            f"no configuration {configuration!r}", accepted=", ".join(CONFIGURATIONS), where="attention"
        )
    if configuration in ("flat", "unfused"):
        cascade = three_pass(batch, heads, e, f, m, p)
        makers = (_flat(cascade, target),) if configuration == "flat" else _unfused(cascade, target)
        nests = tuple(_best(_part(cascade, found), found, target) for found in map(list, makers))
        return evaluate(cascade, SpatialMapping(nests), target)
    cascade = one_pass(batch, heads, e, f, m, p, target.find_unit(TWO).shape[0])
    spilled = 2 * cascade.extents["m0"] if configuration == "cascade" else 0
    p1 = query_tiles(target, e, f, p, spilled=spilled)
    tries = [
        fusemax(cascade, target, p1=p1, configuration=configuration, single=single).nests[0]
        for single in (False, True)
    ]
    nest = _first(cascade, tries, target)
    return evaluate(cascade, SpatialMapping((nest,)), target, schedule=schedule)


def _columns(p: int, target: Target, inner: int, cols: int | None = None) -> Split:
    width = max(1, min(p, cols or target.find_unit(TWO).shape[1]))
    return Split.of(p, inner=inner, spatial=width)


def _powers(most: int) -> list[int]:
    return [2**n for n in range(max(most, 1).bit_length())]


def _flat(cascade: Cascade, target: Target) -> Iterator[Nest]:
    """FLAT's tiles: rows of scores in the buffer, of as many queries as fit, or through DRAM."""
    extents = cascade.extents
    rows, cols = target.find_unit(TWO).shape
    units = {e.output.tensor: TWO if e.output.tensor in ("QK", "AV") else ONE for e in cascade.einsums}
    for inner, width, place in itertools.product(
        _powers(-(-extents["p"] // cols)), (256, 128, 64, 32), _PLACES
    ):
        yield Nest(
            units=units,
            splits=_splits(extents)
            | {
                "m": Split.of(extents["m"], spatial=min(rows, max(1, extents["m"]))),
                "p": _columns(extents["p"], target, inner, min(width, cols)),
                "e": Split(1, extents["e"]),
                "f": Split(1, extents["f"]),
            },
            rows=("m",),
            cols=("p",),
            dram_order=("b", "h", "p", "m"),
            buffer_order=("p",),
            tile_order=("e", "f"),
            keep={"QK": place, "SN": place, "A": "buffer"},
        )


_PLACES = ("buffer", "dram")


def _unfused(cascade: Cascade, target: Target) -> tuple[Iterator[Nest], ...]:
    """Queries × keys, softmax, scores × values, one after the other."""
    return (
        _product(cascade, target, "QK", "e"),
        _softmax(cascade, target),
        _product(cascade, target, "AV", "f"),
    )


def _product(cascade: Cascade, target: Target, name: str, step: str) -> Iterator[Nest]:
    extents = cascade.extents
    rows, cols = target.find_unit(TWO).shape
    m0 = min(rows, max(1, extents["m"]))
    for p, m in itertools.product(_powers(-(-extents["p"] // cols)), _powers(-(-extents["m"] // m0))):
        for order in (("b", "h", "p", "m"), ("b", "h", "m", "p")):
            yield Nest(
                units={name: TWO},
                splits={r: s for r, s in _splits(extents).items() if r in "bh"}
                | {
                    "m": Split.of(extents["m"], inner=m, spatial=m0),
                    "p": _columns(extents["p"], target, p),
                    step: Split(1, extents[step]),
                },
                rows=("m",),
                cols=("p",),
                dram_order=order,
                buffer_order=order[2:],
                tile_order=(step,),
            )


def _softmax(cascade: Cascade, target: Target) -> Iterator[Nest]:
    extents = cascade.extents
    lanes = target.find_unit(ONE).shape[0]
    for width, place in itertools.product((256, 128, 64, 32), _PLACES):
        for inner in [*_powers(extents["m"]), extents["m"]]:
            yield Nest(
                units=dict.fromkeys(("GM", "SN", "SD", "A"), ONE),
                splits={r: s for r, s in _splits(extents).items() if r in "bh"}
                | {
                    "m": Split.of(extents["m"], inner=inner),
                    "p": _columns(extents["p"], target, 1, min(width, lanes)),
                },
                cols=("p",),
                dram_order=("b", "h", "p", "m"),
                buffer_order=("p", "m"),
                keep={"SN": place},
            )


def _splits(extents: Mapping[str, int]) -> dict[str, Split]:
    return {rank: Split(extent) for rank, extent in extents.items()}


def _part(cascade: Cascade, nests: list[Nest]) -> Cascade:
    """The Einsums of nests alone, what they leave for others being results."""
    names = set(nests[0].units)
    einsums = tuple(e for e in cascade.einsums if e.output.tensor in names)
    others = {a.tensor for e in cascade.einsums if e not in einsums for a in e.accesses}
    left = (others | set(cascade.results)) & names
    return Cascade(einsums, extents=cascade.extents, outputs=tuple(sorted(left)))


def _first(cascade: Cascade, nests: list[Nest], target: Target) -> Nest:
    """The first nest that fits; the last one's error where none does."""
    for nest in nests[:-1]:
        try:
            evaluate(cascade, SpatialMapping((nest,)), target)
        except MappingError:
            continue
        return nest
    return nests[-1]


def _best(cascade: Cascade, nests: list[Nest], target: Target) -> Nest:
    """The nest of least latency, then of least traffic; those that keep the same are priced together."""
    alike: dict[tuple[tuple[str, str], ...], list[Nest]] = {}
    for nest in nests:
        alike.setdefault(tuple(sorted(nest.keep.items())), []).append(nest)
    found: list[tuple[float, int, int, Nest]] = []
    for group in alike.values():
        stated = problem(cascade, group[0], target)
        points = Points.of(stated, group)
        priced = figures(stated, points)
        traffic = priced.dram_bytes
        for at in np.flatnonzero(legal(stated, points)):
            found.append((float(priced.latency_s[at]), int(traffic[at]), len(found), group[at]))
    if not found:
        evaluate(cascade, SpatialMapping((nests[0],)), target)
        raise MappingError("nothing to choose from")
    return min(found, key=lambda entry: entry[:3])[3]
