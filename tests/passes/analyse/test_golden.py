"""What `penstock analyze` says of twelve cascades, word for word, and its numbers worked out by hand.

Golden files lie in tests/data/cascades. After a change that is meant:

    python -m pytest tests/passes/analyse/test_golden.py --update-golden

and read the difference before committing it. `HAND` below says where each number comes from.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest

from penstock import api
from penstock.outcome import plain
from penstock.passes.analyse.analysis import Analysis
from penstock.passes.analyse.report import Report

# FuseMax's attention of BERT at 64K on its 16 MiB buffer, one head; the others at their files' extents.
FUSEMAX: dict[str, Any] = {"target": "fusemax-cloud"}
WHOLE = {"e": 64, "f": 64, "m": 1 << 16, "p": 1 << 16}
TILED = {"e": 64, "f": 64, "m1": 256, "m0": 256, "p": 1 << 16}
ASKED: dict[str, Mapping[str, Any]] = {
    "attention1": FUSEMAX | {"shape": TILED},
    "attention2": FUSEMAX | {"shape": TILED},
    "attention3": FUSEMAX | {"shape": WHOLE},
    "cascade1": {"buffer_bytes": 16},
    "cascade2": {"buffer_bytes": 16},
    "cascade3": {"buffer_bytes": 16},
    "gated_scan": {"buffer_bytes": 512},
    "linear_attention": {"buffer_bytes": 2048},
    "logsumexp_loss": {"buffer_bytes": 1024},
    "mla": {"buffer_bytes": 8192},
    "mlp_chain": {"buffer_bytes": 2048},
    "norm_matmul": {"buffer_bytes": 2048},
}


@pytest.fixture(scope="module")
def report(checkout: Path) -> Callable[[str], Report]:
    made: dict[str, Report] = {}

    def of(name: str) -> Report:
        if name not in made:
            made[name] = api.analyze(str(checkout / "examples" / "cascades" / f"{name}.txt"), **ASKED[name])
        return made[name]

    return of


@pytest.mark.parametrize("kind", ["txt", "json"])
@pytest.mark.parametrize("name", ASKED)
def test_the_report_is_the_golden_one(
    checkout: Path, report: Callable[[str], Report], name: str, kind: str, request: pytest.FixtureRequest
) -> None:
    found = report(name)
    as_json = json.dumps(plain(found.to_json()), ensure_ascii=False, allow_nan=False, indent=1)
    said = (found.text() if kind == "txt" else as_json).rstrip("\n") + "\n"
    golden = checkout / "tests" / "data" / "cascades" / f"{name}.{kind}.golden"
    if request.config.getoption("--update-golden"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(said, encoding="utf-8")
    wanted = golden.read_text(encoding="utf-8").splitlines()
    for number, (old, new) in enumerate(zip_longest(wanted, said.splitlines()), 1):
        if old != new:
            pytest.fail(f"{golden.name}:{number}\n  golden: {old}\n  now:    {new}", pytrace=False)


# The numbers by hand. Passes, footprints and counts of operations of attention1-3 and cascade1-3 are the
# paper's (FuseMax §III, §IV); those of the others follow by its definition. Traffic is ours throughout, and
# in the attention cascades made of the paper's terms: Q and AV once, K and V once per block of queries.

N, W = 1 << 16, 64
QUERIES = N * W  # elements of each of Q, K, V and AV


def _attention(extra_mul: int, extra_add: int, exp: int, maximum: int, div: int) -> dict[str, int]:
    """Operations of attention: 2·W MACs a score, its subtraction, the sum of weights, and what is added."""
    score = N * N
    return {
        "mul": 2 * W * score + extra_mul,
        "add": 2 * W * score + 2 * score + extra_add,
        "exp": exp,
        "max": maximum,
        "div": div,
    }


TILES = 256 * N  # M1·P
HAND: dict[str, dict[str, Any]] = {
    "attention3": {
        "rank": "m",
        "passes": {"K": 3, "V": 1},  # paper, Cascade 4
        "live": "M + 1",  # a fiber of scores, and its maximum or denominator
        "operations": _attention(0, 0, N * N, N * N, N * N),  # paper §IV-D: M·P divisions
        # Streams P, K and a fiber on chip: V does not fit beside them, so F goes in halves and Q comes twice.
        "elements": 2 * QUERIES + 3 * QUERIES,
        # Nothing twice: K again for every 61 queries, the most whose fibers fit with V.
        "single": 3 * QUERIES + QUERIES * 1075,
    },
    "attention2": {
        "rank": "(m1,m0)",
        "passes": {"K": 2, "V": 1},  # paper §IV-E2
        "live": "M0*M1 + 2*M1 + 1",  # numerators, and two summaries a tile
        # The W correction multiplies every score; tiles add a product, a sum and a difference each.
        "operations": _attention(N * N + TILES, 2 * TILES, N * N + TILES, N * N + TILES, TILES),
        # K and a fiber on chip, F in halves, Q twice: as the three passes.
        "elements": 2 * QUERIES + 3 * QUERIES,
        # Nothing twice: fibers of 126 queries on chip, 521 blocks of them.
        "single": 2 * QUERIES + 2 * 521 * QUERIES,
    },
    "attention1": {
        "rank": "(m1,m0)",
        "passes": {"K": 1, "V": 1},  # paper, Cascade 5
        "live": "F + M0 + 3",  # RNV, one column of scores, RM, RD and LM
        # paper: (F+1)·M1·P more multiplications and additions, M1·P more exponentials and maxima.
        "operations": _attention(
            (W + 1) * TILES, (W + 1) * TILES + TILES, N * N + TILES, N * N + TILES, N * W
        ),
        "elements": 2 * QUERIES + 2 * QUERIES + QUERIES,  # F in halves: K twice, V once
        "single": 2 * QUERIES + 2 * 2 * QUERIES,  # paper: u·2(1 + P2·M/P) with P2 = 2
    },
    "cascade1": {
        "rank": "k",
        "passes": {"A": 2, "B": 1},  # paper §III-A
        "live": "1",  # Y
        "operations": {"mul": 2 * 6, "add": 2 * 6},
        "elements": 13,  # A, B and Z: six elements fit beside Y and the element of B
        "single": 13,
    },
    "cascade2": {
        "rank": "k",
        "passes": {"A": 1, "B": 1},  # paper §III-C
        "live": "0",
        "operations": {"mul": 6 + 1, "add": 2 * 6},  # paper: one multiplication instead of K
        "elements": 13,
        "single": 13,
    },
    "cascade3": {
        "rank": "k",
        "passes": {"A": 1, "B": 1},  # paper §III-C
        "live": "2",  # RY and RZ
        "operations": {"mul": 3 * 6, "add": 2 * 6, "div": 6, "cmp": 6, "move": 1},
        "elements": 13,
        "single": 13,
    },
    "gated_scan": {
        "rank": "t",
        "passes": {"DT": 1, "X": 1, "B": 1, "C": 1, "G": 1},
        "live": "D*N",  # the state
        "operations": {
            "mul": 4 * 64 * 32 * 8 + 4 * 64 * 32,
            "add": 2 * 64 * 32 * 8 + 2 * 64 * 32,
            "exp": 64 * 32 * 8 + 64 * 32,
            "div": 64 * 32,
        },
        # DT, X, G and Y once, A and SK once, B and C for each of three blocks of eleven channels.
        "elements": 4 * 64 * 32 + 32 * 8 + 32 + 2 * 3 * 64 * 8,
        "single": None,
    },
    "linear_attention": {
        "rank": "m",
        "passes": {"K": 2, "V": 1},
        "live": "M + 1",
        "operations": {
            "mul": 2 * 64 * 32 * 16,
            "add": 2 * 64 * 32 * 16 + 64 * 16 + 32 * 16 + 64 * 32,
            "exp": 64 * 16 + 32 * 16,
            "max": 2 * (64 * 16 + 32 * 16),
            "div": 64 * 32,
        },
        # Two blocks of queries, two passes: K for each of both, V in the second pass only; Q and AV once.
        "elements": 2 * 32 * 16 + (2 * 2 + 2) * 64 * 16,
        # Nothing twice: PQ and S go through memory and back.
        "single": 4 * 32 * 16 + 2 * 64 * 16 + 2 * 64 * 32,
    },
    "logsumexp_loss": {
        "rank": "v",
        "passes": {"W": 2},
        "live": "V + 2",
        "operations": {
            "mul": 16 * 32 * 256 + 1,
            "add": 16 * 32 * 256 + 3 * 16 * 256 + 3 * 16,
            "exp": 16 * 256 + 16,
            "max": 16 * 256,
            "cmp": 2 * 16 * 256,
        },
        # LG through memory and back; X for each of nine blocks of 29 words, W, L and LOSS once.
        "elements": 2 * 16 * 256 + 9 * 16 * 32 + 256 * 32 + 16 + 1,
        "single": None,
    },
    "mla": {
        "rank": "m",
        "passes": {"C": 3, "CR": 3},
        "live": "F*M + M + 1",
        "operations": {
            "mul": 4 * (2 * 64 * 16 * 24 + 2 * 64 * 4 * 16 + 64 * 4 * 8 + 64 * 4 + 4 * 16 * 32),
            "add": 4 * (2 * 64 * 16 * 24 + 2 * 64 * 4 * 16 + 64 * 4 * 8 + 3 * 64 * 4 + 4 * 16 * 32),
            "exp": 4 * 64 * 4,
            "max": 4 * 64 * 4,
            "div": 4 * 64 * 4,
        },
        # Inputs and Y once; AV through memory and back, since Y sums over the heads that are streamed.
        "elements": 7680 + 2 * 4 * 16 * 4,
        "single": None,
    },
    "mlp_chain": {
        "rank": "s",
        "passes": {"WG": 1, "WU": 1, "WD": 1},
        "live": "0",
        "operations": {
            "mul": 32 * 64 * (2 * 24 + 24 + 2),
            "add": 32 * 64 * (2 * 24 + 24 + 1),
            "exp": 32 * 64,
            "div": 32 * 64,
        },
        # HX through memory and back, everything else once: the weights stream past all 32 tokens.
        "elements": 2 * 32 * 64 + 3 * 24 * 64 + 2 * 32 * 24,
        "single": None,
    },
    "norm_matmul": {
        "rank": "d",
        "passes": {"X": 2, "G": 1, "W": 1},
        "live": "1",  # RS
        "operations": {"mul": 32 * 64 * (48 + 3) + 32, "add": 32 * 64 * (48 + 1) + 32, "div": 2 * 32},
        # SQ through memory and back, then X and G for each half of O; W and Y once.
        "elements": 32 * 64 + 2 * 32 + 2 * (32 * 64 + 64) + 64 * 48 + 32 * 48,
        # Nothing twice: two blocks of tokens, X and G in both passes, W for each block.
        "single": 2 * 32 * 64 + 2 * 64 + 2 * 64 * 48 + 32 * 48,
    },
}


def analysis_of(report: Report) -> Analysis:
    assert report.analysis is not None
    return report.analysis


@pytest.mark.parametrize("name", HAND)
def test_the_numbers_are_those_worked_out_by_hand(report: Callable[[str], Report], name: str) -> None:
    found, wanted = analysis_of(report(name)), HAND[name]
    (rank,) = (each for each in found.ranks if each.name == wanted["rank"])
    assert rank.count.by_root == wanted["passes"]
    assert str(rank.live) == wanted["live"]
    counted = {kind: n.at(found.cascade.extents) for kind, n in found.intensity.classes.items()}
    assert counted == wanted["operations"]
    assert found.traffic is not None
    assert found.single is not None
    assert found.traffic.elements == wanted["elements"]
    assert found.single.elements == (wanted["single"] or wanted["elements"])
