"""Maps as tier operations: the text, the values, a verifier that notices, and what does not fit."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from penstock.ir.errors import InputError, PassError, PlanError, TargetError
from penstock.ir.module import parse_module, print_module
from penstock.ir.steps import functions
from penstock.ir.targets import load
from penstock.ir.tier_moves import Room, verify_moves
from penstock.passes.offsets import Infeasible
from penstock.passes.place import Place
from penstock.passes.place.compiled import from_module
from penstock.passes.place.inline import inline_layers
from penstock.passes.place.profiles import of_target

from ..modules import assert_same_values, run_passes

HERE = Path(__file__).parent / "ir"
SMALL = HERE / "small.toml"
LAYERS = (HERE / "layers.mlir").read_text(encoding="utf-8")
EXPECTED = (HERE / "layers.expect").read_text(encoding="utf-8")
"""A map of that program with every kind of move; the tests of the verifier change it."""
HYBRIDS = HERE / "layers.hybrid.expect"
"""The hybrid's own."""
FUSED = "relabel,simplify,fuse"
ROOMS = {"cmem": Room(12288, 64), "hbm": Room(65536, 64)}


def pipeline(solver: str = "hybrid", target: Path = SMALL) -> str:
    return f"{FUSED},place{{solver={solver},target={target},evaluations=300}}"


def smaller(tmp_path: Path, old: str, new: str) -> Path:
    """The small chip with another figure."""
    text = SMALL.read_text(encoding="utf-8")
    assert old in text
    place = tmp_path / "other.toml"
    place.write_text(text.replace(old, new), encoding="utf-8")
    return place


def test_layers_become_one_function_with_the_map_in_it() -> None:
    """The text has every kind of move: copied in, made there, written back, evicted and fetched again."""
    got = print_module(run_passes(LAYERS, pipeline()))
    if os.environ.get("PENSTOCK_UPDATE"):
        HYBRIDS.write_text(got, encoding="utf-8")
    assert got == HYBRIDS.read_text(encoding="utf-8")
    for name in ("tier.copy", "tier.wait", "tier.drop", "tier.frames", 'to = "hbm"', 'to = "cmem"'):
        assert name in got


def test_mapping_twice_is_mapping_once() -> None:
    again = Place(target=str(SMALL), evaluations=300).run(parse_module(EXPECTED))
    assert print_module(again) == HYBRIDS.read_text(encoding="utf-8")


def test_a_map_gives_way_to_an_arena() -> None:
    text = print_module(Place().run(parse_module(EXPECTED)))
    assert "tier.frame_bytes" in text
    assert not any(name in text for name in ("tier.copy", "tier.wait", "tier.drop", "tier.frames", "cmem"))


@pytest.mark.parametrize(
    "solver", ["all-slow", "random", "greedy", "insertion", "msa", "evolution", "hybrid"]
)
def test_values_stay_what_they_were(solver: str) -> None:
    assert_same_values(LAYERS, pipeline(solver))


@pytest.mark.parametrize("capacity", [0, 64, 2048, 4096, 16384])
def test_values_stay_what_they_were_in_any_size_of_fast_memory(capacity: int, tmp_path: Path) -> None:
    target = smaller(tmp_path, "capacity_bytes = 12288", f"capacity_bytes = {max(capacity, 1)}")
    assert_same_values(LAYERS, pipeline("random", target))


KIND = "tensor<4x64xf32>"
CALL = f"({KIND}, {KIND}) -> {KIND}"
UPSTREAM = f"""
  func.func private @op(%x: {KIND}, %y: {KIND}) -> {KIND} attributes {{penstock.upstream}} {{
    %0 = arith.addf %x, %y : {KIND}
    return %0 : {KIND}
  }}
"""


@pytest.mark.parametrize("seed", range(6))
def test_random_programs_keep_their_values(seed: int, tmp_path: Path) -> None:
    """Arguments that are returned, results read again, results returned twice, tensors nobody reads."""
    random = np.random.default_rng(seed)
    named = '{penstock.kind = "input", penstock.name = "x"}'
    lines = [f"func.func @main(%v0: {KIND} {named}) -> ({KIND}, {KIND}, {KIND}, {KIND}) {{"]
    for number in range(1, 20):
        left, right = random.integers(max(0, number - 7), number, 2)
        lines.append(f"%v{number} = func.call @op(%v{left}, %v{right}) : {CALL}")
    given = ("%v19", f"%v{random.integers(5, 19)}", "%v0", "%v19")
    lines += [f"return {', '.join(given)} : {', '.join([KIND] * 4)}", "}"]
    target = smaller(tmp_path, "capacity_bytes = 12288", f"capacity_bytes = {random.integers(1, 5) * 512}")
    for solver in ("random", "greedy", "msa"):
        assert_same_values(UPSTREAM + "\n".join(lines), pipeline(solver, target))


def test_inlining_leaves_the_program_as_it_was() -> None:
    module = run_passes(LAYERS, FUSED)
    target = load(str(SMALL))
    unrolled = from_module(module, target, "layers")
    inline_layers(module)
    assert list(functions(module)) == ["main"]
    assert from_module(module, target, "layers") == unrolled


def test_the_pass_keeps_the_figures_of_the_map() -> None:
    place = Place(target=str(SMALL), solver="greedy")
    place.run(run_passes(LAYERS, FUSED))
    found = place.maps["main"]
    assert found.machine == of_target(load(str(SMALL)))
    assert found.result.bound_s <= found.result.latency_s < found.result.all_slow_s
    assert {"w0", "w1", "v"} <= {tensor.name for tensor in found.problem.tensors}


BROKEN = {
    "overlaps": ("offset = 4096 : i64, tier", "offset = 0 : i64, tier"),
    "multiples of 64": ("offset = 4096 : i64, tier", "offset = 4100 : i64, tier"),
    "needs 8192 bytes, not 8128": ("bytes = 8192", "bytes = 8128"),
    "ends at byte": ("cmem = 12288 : i64", "cmem = 4096 : i64"),
    "a frame of 12352 bytes": ("cmem = 12288 : i64", "cmem = 12352 : i64"),
    "no tier 'sram'": ('tier = "cmem"', 'tier = "sram"'),
    "copies to cmem, but its place is in hbm": ('tier = "cmem"', 'tier = "hbm"'),
}


@pytest.mark.parametrize("complaint", BROKEN)
def test_the_verifier_refuses_a_broken_place(complaint: str) -> None:
    old, new = BROKEN[complaint]
    assert old in EXPECTED
    with pytest.raises((PlanError, InputError), match=complaint):
        verify_moves(parse_module(EXPECTED.replace(old, new, 1)), ROOMS, "hbm")


def lines_with(*words: str) -> list[int]:
    found = [at for at, line in enumerate(EXPECTED.splitlines()) if all(word in line for word in words)]
    assert found, words
    return found


def without(*words: str) -> str:
    lines = EXPECTED.splitlines()
    del lines[lines_with(*words)[0]]
    return "\n".join(lines)


def moved(line: int, to: int) -> str:
    """The text with one line elsewhere."""
    lines = EXPECTED.splitlines()
    taken = lines.pop(line)
    lines.insert(to if to < line else to - 1, taken)
    return "\n".join(lines)


def test_the_verifier_accepts_the_text_as_it_is() -> None:
    verify_moves(parse_module(EXPECTED), ROOMS, "hbm")


def test_the_verifier_misses_waits_and_drops() -> None:
    with pytest.raises(PlanError, match=r"before its copy was waited for|never waited for"):
        verify_moves(parse_module(without("tier.wait")), ROOMS, "hbm")
    with pytest.raises(PlanError, match=r"overlaps|never dropped"):
        verify_moves(parse_module(without("tier.drop")), ROOMS, "hbm")


def test_the_verifier_sees_what_comes_too_late_or_too_early() -> None:
    end = lines_with("return")[0]
    with pytest.raises(PlanError, match="before its copy was waited for"):
        verify_moves(parse_module(moved(lines_with("tier.wait")[0], end)), ROOMS, "hbm")
    kernel = max(at for at in lines_with("cascade.fused"))
    with pytest.raises(PlanError, match=r"after it was dropped|while it is copied"):
        verify_moves(parse_module(moved(lines_with("tier.drop")[-2], kernel)), ROOMS, "hbm")


def test_the_verifier_wants_one_wait_a_copy() -> None:
    lines = EXPECTED.splitlines()
    lines.insert(lines_with("tier.wait")[0], lines[lines_with("tier.wait")[0]])
    with pytest.raises(PlanError, match="a second time"):
        verify_moves(parse_module("\n".join(lines)), ROOMS, "hbm")


def test_an_argument_is_not_in_fast_memory_by_saying_so() -> None:
    text = f"""func.func @main(%x: {KIND}) -> {KIND}
      attributes {{tier.frames = {{cmem = 512 : i64}}, tier.float_bytes = 2 : i64}} {{
      %p = "tier.alloc"(%x) {{tier = "cmem", offset = 0, bytes = 512}} : ({KIND}) -> {KIND}
      return %p : {KIND} }}"""
    with pytest.raises(PlanError, match="neither made nor copied here"):
        verify_moves(parse_module(text), ROOMS, "hbm")


def test_a_result_in_fast_memory_is_refused() -> None:
    text = f"""func.func @main(%x: {KIND}) -> {KIND}
      attributes {{tier.frames = {{cmem = 512 : i64}}, tier.float_bytes = 2 : i64}} {{
      %c, %t = "tier.copy"(%x) {{to = "cmem"}} : ({KIND}) -> ({KIND}, !tier.token)
      %p = "tier.alloc"(%c) {{tier = "cmem", offset = 0, bytes = 512}} : ({KIND}) -> {KIND}
      "tier.wait"(%t) : (!tier.token) -> ()
      return %p : {KIND} }}"""
    with pytest.raises(PlanError, match="returns the copy at operation 0 from cmem"):
        verify_moves(parse_module(text), ROOMS, "hbm")


def test_slow_memory_that_is_too_small_names_who_is_in_the_way(tmp_path: Path) -> None:
    target = smaller(tmp_path, "capacity_bytes = 65536", "capacity_bytes = 33000")
    with pytest.raises(Infeasible, match="hbm beside") as caught:
        run_passes(LAYERS, pipeline("all-slow", target))
    assert caught.value.conflict is not None
    assert caught.value.conflict.minimal
    assert len(caught.value.conflict.buffers) >= 2
    tight = smaller(tmp_path, "capacity_bytes = 65536", "capacity_bytes = 20000")
    with pytest.raises(PlanError, match=r"the largest are .*8192 bytes"):
        run_passes(LAYERS, pipeline("all-slow", tight))


def test_an_arena_that_is_too_small_names_who_is_in_the_way() -> None:
    body = "\n".join(
        [
            f"func.func @main(%x: {KIND}) -> {KIND} {{",
            f"%a = func.call @op(%x, %x) : {CALL}",
            f"%b = func.call @op(%a, %x) : {CALL}",
            f"%c = func.call @op(%a, %b) : {CALL}",
            f"%d = func.call @op(%c, %c) : {CALL}",
            f"return %d : {KIND}",
            "}",
        ]
    )
    assert Place(capacity=3072).run(parse_module(UPSTREAM + body))  # a, b and c at once
    with pytest.raises(Infeasible, match="the arena of main") as caught:
        Place(capacity=3008).run(parse_module(UPSTREAM + body))
    assert caught.value.conflict is not None
    assert {buffer.name for buffer in caught.value.conflict.buffers} == {"0:op", "1:op", "2:op"}
    for name in ("0:op", "1:op", "2:op"):
        assert name in str(caught.value)


@pytest.mark.parametrize(
    ("options", "kind", "complaint"),
    [
        ({"capacity": 100}, PassError, "a capacity of 100 bytes"),
        ({"capacity": 64, "target": "tpu-v4i"}, PassError, "a capacity and a target"),
        ({"target": "bolt-u55c"}, TargetError, "no tier of known size is faster"),
        ({"target": "tpu-v4i", "solver": "chess"}, InputError, "no player 'chess'"),
        ({"target": "tpu-v4i", "evaluations": -3}, InputError, "-3 evaluations"),
        ({"target": "tpu-v4i", "effort": "slow"}, InputError, "no effort 'slow'"),
    ],
)
def test_mistakes_are_told(options: dict[str, object], kind: type[Exception], complaint: str) -> None:
    with pytest.raises(kind, match=complaint):
        Place(**options).run(run_passes(LAYERS, FUSED))  # type: ignore[arg-type]
