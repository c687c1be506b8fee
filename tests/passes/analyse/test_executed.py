"""What the model says of a loop nest against its execution, point by point."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from penstock.passes.analyse import Cascade, parse_cascade
from penstock.passes.analyse.blocks import nests
from penstock.passes.analyse.nest import Nest
from penstock.passes.analyse.part import Part, cuts, in_order

from .executed import Executed

SEEDS = 3
SHAPES = {
    "attention1": {"e": 2, "f": 2, "m1": 3, "m0": 2, "p": 3},
    "attention2": {"e": 2, "f": 2, "m1": 3, "m0": 2, "p": 3},
    "attention3": {"e": 2, "f": 3, "m": 4, "p": 3},
    "cascade1": {"k": 5},
    "cascade3": {"k": 5},
    "gated_scan": {"t": 4, "d": 3, "n": 2},
    "linear_attention": {"d": 2, "f": 3, "m": 4, "p": 3},
    "logsumexp_loss": {"t": 3, "d": 2, "v": 4},
    "mla": {"h": 2, "p": 2, "m": 3, "e": 2, "f": 2, "r": 2, "j": 1, "o": 2},
    "mlp_chain": {"t": 3, "d": 2, "s": 4, "o": 3},
    "norm_matmul": {"t": 3, "d": 4, "o": 3},
}


def parts(cascade: Cascade, chosen: random.Random) -> list[Part]:
    """The whole cascade, and a few runs of its Einsums."""
    einsums = in_order(cascade)
    places = cuts(cascade, einsums)
    pairs = [(start, end) for start in places for end in places if start < end]
    some = chosen.sample(pairs, min(5, len(pairs)))
    return [Part(cascade, einsums[start:end]) for start, end in [(0, len(einsums)), *some]]


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("name", SHAPES)
def test_a_loop_nest_moves_and_holds_no_more_than_said(
    checkout: Path, name: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The execution finishes an Einsum at a point before the next; the model may interleave them too.
    monkeypatch.setattr(Nest, "inner", ())
    text = (checkout / "examples" / "cascades" / f"{name}.txt").read_text(encoding="utf-8")
    cascade = parse_cascade(text, shape=SHAPES[name])
    chosen = random.Random(f"{name} {seed}")
    checked = 0
    for part in parts(cascade, chosen):
        # A recurrence inside the block takes turns, which this execution does not.
        found = list(nests(part, 1 << 20))
        if part.carried:
            found = [nest for nest in found if nest.stream == (cascade.generational,)]
        for nest in chosen.sample(found, min(8, len(found))):
            blocks = {rank: chosen.randint(1, nest.extents[rank]) for rank in nest.order}
            trips = {rank: -(-nest.extents[rank] // block) for rank, block in blocks.items()}
            done = Executed(nest, blocks).run()
            stored = sum(part.stores.values())
            said = f"{[e.output.tensor for e in part.einsums]} {nest.stream} {blocks} {nest.fates}"
            assert done.moved + stored <= nest.elements(blocks, trips), said
            assert done.peak <= nest.occupancy(blocks, trips), said
            checked += 1
    assert checked >= 5
