"""Mappings to test the physical model on: matmuls with everything drawn at random, and attention."""

from __future__ import annotations

import dataclasses

from hypothesis import strategies as st

from penstock.ir import targets
from penstock.ir.targets import Target, Tier
from penstock.ir.view import Cascade
from penstock.ir.view_text import parse_cascade
from penstock.sim.cost.spatial.mapping import Mapping, Nest, Split

FUSEMAX = targets.load("fusemax-cloud")
FLAT = targets.load("flat-cloud")
BATCHED = "Z[b,m,n] = sum[k] mul(A[b,m,k], B[b,k,n])\n"
DATAFLOWS = (("m", "n"), ("n", "m"), ("k", "n"), ("k", "m"), ("m", ""), ("", "n"))


def matmul(m: int, n: int, k: int, b: int = 1) -> Cascade:
    return parse_cascade(f"B={b} M={m} N={n} K={k}\n{BATCHED}")


@st.composite
def matmuls(draw, most: int = 40) -> tuple[Cascade, Mapping]:
    """A matmul and a legal mapping of it, ragged tiles and all loop orders included."""
    m, n, k = (draw(st.integers(1, most)) for _ in range(3))
    return matmul(m, n, k, draw(st.integers(1, 3))), draw(mappings({"m": m, "n": n, "k": k}))


@st.composite
def mappings(draw, extents: dict[str, int]) -> Mapping:
    rows, cols = draw(st.sampled_from(DATAFLOWS))
    splits = {"b": Split(3)}
    for rank, extent in extents.items():
        spatial = draw(st.integers(1, min(extent, 12))) if rank in (rows, cols) else 1
        inner = draw(st.integers(1, -(-extent // spatial)))
        splits[rank] = Split.of(extent, inner=inner, spatial=spatial)
    tile = draw(st.permutations([rank for rank in "mnk" if rank not in (rows, cols)]))
    return Mapping(
        (
            Nest(
                units={"Z": "array-2d"},
                splits=splits,
                rows=(rows,) if rows else (),
                cols=(cols,) if cols else (),
                dram_order=tuple(draw(st.permutations("bmnk"))),
                buffer_order=tuple(draw(st.permutations([r for r in "mnk" if r not in tile]))),
                tile_order=tuple(tile),
                pipelined=draw(st.booleans()),
                double_buffered=draw(st.booleans()),
            ),
        )
    )


def with_batch(mapping: Mapping, batch: int) -> Mapping:
    """The mapping with as many trips over b."""
    (nest,) = mapping.nests
    return Mapping((dataclasses.replace(nest, splits={**nest.splits, "b": Split(batch)}),))


def faster(target: Target, tier: str, factor: float) -> Target:
    """The target with a tier of so many times the bandwidth."""
    return _changed(
        target,
        tier,
        lambda t: dataclasses.replace(
            t,
            bandwidth_read_bytes_per_s=factor * (t.bandwidth_read_bytes_per_s or 0),
            bandwidth_write_bytes_per_s=factor * (t.bandwidth_write_bytes_per_s or 0),
        ),
    )


def larger(target: Target, capacity_bytes: int) -> Target:
    """The target with a global buffer of this size."""
    return _changed(target, "sram", lambda t: dataclasses.replace(t, capacity_bytes=capacity_bytes))


def _changed(target: Target, tier: str, change) -> Target:
    def each(found: Tier) -> Tier:
        return change(found) if found.name == tier else found

    return dataclasses.replace(target, tier=tuple(each(found) for found in target.tier))
