"""Streaming fusion: how operands are read, choices of sections beside all there are, a layer, the command."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock import cli
from penstock.ir.errors import InputError, PassError, PlanError
from penstock.ir.module import parse_module
from penstock.ir.targets import load
from penstock.passes.sections import graphs, partition
from penstock.passes.sections.partition import Prices, lower_bound_s
from penstock.sim.cost.streaming import Fabric, Graph, How, Operator, Section, Use

from ..modules import module_text

SOCKET = load("sn40l-socket")
FABRIC = Fabric(
    "toy", pcus=6, pmus=10, streams=8, pmu_bytes=100, pmu_bytes_per_s=1e5, bytes_per_s=1000.0, launch_s=0.05
)


def einsum(operands: str, expr: str, types: str, result: str) -> str:
    return f'"cascade.einsum"({operands}) {{expr = "{expr}"}} : ({types}) -> {result}'


X, W, S = "tensor<8x16xf32>", "tensor<16x16xf32>", "tensor<8x8xf32>"


def attention(causal: bool) -> str:
    """One head over its own keys; ``scores`` are masked by coordinates or not."""
    lines = [
        "%q = " + einsum("%x, %w", "Q[p,f] = sum[e] mul(X[p,e], W[e,f])", f"{X}, {W}", X),
        "%k = " + einsum("%x, %w", "K[m,f] = sum[e] mul(X[m,e], W[e,f])", f"{X}, {W}", X),
        "%s = " + einsum("%q, %k", "QK[p,m] = sum[f] mul(Q[p,f], K[m,f])", f"{X}, {X}", S),
    ]
    if causal:
        lines += [
            "%c = " + einsum("", "CM[p,m] = le(@m, @p)", "", "tensor<8x8xi1>"),
            "%t = " + einsum("%c, %s", "T[p,m] = where(CM[p,m], QK[p,m], 0.0)", f"tensor<8x8xi1>, {S}", S),
        ]
    last = "%t" if causal else "%s"
    lines.append("%y = " + einsum(f"{last}, %x", "Y[p,e] = sum[m] mul(T[p,m], X[m,e])", f"{S}, {X}", X))
    return module_text(["x: 8x16xf32", "w: 16x16xf32"], lines, X, "%y")


def read(text: str) -> Graph:
    found, left = graphs(parse_module(text), SOCKET)
    assert not left
    return next(iter(found.values()))


@pytest.mark.parametrize(("causal", "keys"), [(True, How.GROWING), (False, How.WHOLE)])
def test_keys_are_needed_whole_and_under_a_causal_mask_as_far_as_made(causal: bool, keys: How) -> None:
    graph = read(attention(causal))
    hows = {(each.name, graph.names[use.tensor]): use.how for each in graph.operators for use in each.uses}
    assert hows["Q", "X"] is How.TILED
    assert hows["Q", "W"] is How.WHOLE
    assert hows["QK", "Q"] is How.TILED
    assert hows["QK", "K"] is keys
    assert hows["Y", "X"] is keys
    if causal:
        assert hows["T", "CM"] is How.TILED
    assert graph.length == 8
    assert graph.operations == sum((2 * 8 * 16 * 16 * 2, 2 * 8 * 8 * 16 * 2)) + (2 * 64 if causal else 0)


def random_graph(seed: int, count: int) -> Graph:
    """Operators that read one or two earlier tensors, some also a weight, some whole."""
    draw = random.Random(seed)
    names, sizes = ["x"], [draw.randint(20, 300)]
    operators: list[Operator] = []
    made: list[int] = [0]
    for at in range(count):
        uses = {
            tensor: draw.choices([How.TILED, How.GROWING, How.WHOLE], (8, 1, 1))[0]
            for tensor in draw.sample(made, min(len(made), draw.randint(1, 2)))
        }
        if draw.random() < 0.4:
            names.append(f"w{at}")
            sizes.append(draw.randint(20, 500))
            uses[len(names) - 1] = How.WHOLE
        names.append(f"t{at}")
        sizes.append(draw.randint(20, 300))
        made.append(len(names) - 1)
        operators.append(
            Operator(
                f"op{at}", draw.choice([0.0, 0.1, 1.0, 3.0]), tuple(Use(*u) for u in uses.items()), made[-1]
            )
        )
    read_later = {use.tensor for each in operators for use in each.uses}
    returned = frozenset(tensor for tensor in made[1:] if tensor not in read_later)
    return Graph(f"random {seed}", tuple(operators), tuple(names), tuple(sizes), returned, 16, 1.0)


def all_chains(graph: Graph) -> Iterator[list[list[int]]]:
    """Every way to run the operators in sections one after another."""
    makers = graph.makers()
    needs = [{makers[use.tensor] for use in each.uses if use.tensor in makers} for each in graph.operators]

    def grow(done: frozenset[int]) -> Iterator[list[list[int]]]:
        rest = [at for at in range(len(needs)) if at not in done]
        if not rest:
            yield []
        for size in range(1, len(rest) + 1):
            for members in itertools.combinations(rest, size):
                if all(needs[at] <= done | set(members) for at in members):
                    for more in grow(done | set(members)):
                        yield [list(members), *more]

    yield from grow(frozenset())


def seconds(prices: Prices, sections: list[list[int]]) -> float:
    total = 0.0
    for members in sections:
        found = prices.price(members)
        if not isinstance(found, Section):
            return float("inf")
        total += found.seconds
    return total


@pytest.mark.parametrize("seed", range(12))
def test_the_best_is_the_fastest_of_all_chains(seed: int) -> None:
    graph = random_graph(seed, 5)
    found = partition(graph, FABRIC, tile=1)
    prices = Prices(graph, FABRIC, 1)
    assert found["best"].exact
    assert found["best"].seconds == pytest.approx(min(seconds(prices, each) for each in all_chains(graph)))


@pytest.mark.parametrize("seed", range(8))
def test_every_method_runs_every_operator_once_after_what_it_reads(seed: int) -> None:
    graph = random_graph(seed, 14)
    makers = graph.makers()
    found = partition(graph, FABRIC, seed=seed)
    for cut in found.values():
        done: set[int] = set()
        for section in cut.sections:
            now = {*done, *section.operators}
            for at in section.operators:
                assert {makers[u.tensor] for u in graph.operators[at].uses if u.tensor in makers} <= now
            done = now
        assert sorted(at for section in cut.sections for at in section.operators) == list(range(14))
    assert found["best"].seconds <= min(found["greedy"].seconds, found["unfused"].seconds) * (1 + 1e-9)
    assert found["best"].seconds >= lower_bound_s(graph, FABRIC)


def test_a_launch_that_costs_much_leaves_few_sections() -> None:
    graph = random_graph(3, 12)
    dear = Fabric(**{**vars(FABRIC), "pmus": 100, "pcus": 20, "streams": 60, "launch_s": 1e6})
    assert len(partition(graph, dear)["best"].sections) == 1


def test_what_cannot_be_streamed_is_said() -> None:
    with pytest.raises(PlanError, match=r"op\d alone needs \d streams"):
        partition(random_graph(1, 3), Fabric(**{**vars(FABRIC), "streams": 1}))
    with pytest.raises(InputError, match="a tile of 17"):
        partition(random_graph(1, 3), FABRIC, tile=17)
    kind = "tensor<4xf32>"
    lines = [f"%y = arith.addf %x, %x : {kind}"]
    upstream = module_text(["x: 4xf32"], lines, kind, "%y")
    with pytest.raises(PassError, match=r"main has arith\.addf"):
        graphs(parse_module(upstream), SOCKET)


def said(capsys: pytest.CaptureFixture[str], *argv: str, status: int = cli.DONE) -> dict[str, Any]:
    assert cli.main([*argv, "--json"]) == status
    return json.loads(capsys.readouterr().out)


def test_the_command_reports_sections(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "attention.mlir"
    file.write_text(attention(True), encoding="utf-8")
    words = ["plan", "sections", str(file), "--target", "sn40l-small", "--launch", "1000"]
    found = said(capsys, *words, "-o", str(tmp_path / "report.json"))
    (function,) = found["functions"]
    best = function["methods"]["best"]
    assert best["exact"]
    assert [len(section["operators"]) for section in best["sections"]] == [function["operators"]]
    assert best["off_chip_bytes"] < function["methods"]["unfused"]["off_chip_bytes"]
    assert best["seconds"] >= function["lower_bound_s"]
    assert (
        json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["functions"] == found["functions"]
    )
    assert cli.main(words) == cli.DONE
    text = capsys.readouterr().out
    assert "best, exact" in text
    assert "PMUs" in text


def test_the_command_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "attention.mlir"
    file.write_text(attention(True), encoding="utf-8")
    other = said(capsys, "plan", "sections", str(file), "--target", "h200", status=cli.BAD_INPUT)
    assert "no PCUs and PMUs" in other["error"]["message"]
    kind = said(capsys, "plan", "sections", str(file), "-o", "x.txt", status=cli.BAD_INPUT)
    assert "what kind" in kind["error"]["message"]
    launch = said(capsys, "plan", "sections", str(file), "--launch", "-1", status=cli.BAD_INPUT)
    assert "not a number from 0 up" in launch["error"]["message"]


@pytest.mark.slow
def test_a_decoder_layer_fits_one_socket_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """The paper: a whole decoder layer is one kernel of more than 20 operators."""
    found = said(capsys, "plan", "sections", "zoo:llama-7b-layer", "--shape", "s=4096")
    (function,) = found["functions"]
    (whole,) = function["methods"]["greedy"]["sections"]
    assert len(whole["operators"]) == function["operators"] == 45
    weights = 2 * 202_383_360
    assert whole["held_bytes"] == weights
    boundary = weights + 2 * 2 * 4096 * 4096 + 2 * 2 * 4096 * 128  # and both hidden states, cosines and sines
    assert whole["read_bytes"] + whole["written_bytes"] == pytest.approx(boundary, rel=1e-3)
    macs = 4096 * (202_383_360 - 2 * 4096) + 2 * 4096 * 4096 * 4096
    assert function["operations"] == pytest.approx(2 * macs, rel=0.01)
    assert function["methods"]["best"]["seconds"] < 1.1 * function["lower_bound_s"]
