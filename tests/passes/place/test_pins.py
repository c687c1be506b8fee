"""Pinned tensors: held all their lives, conflicts named, refused where they cannot be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from penstock import cli
from penstock.ir.errors import InputError, PassError, PenstockError, PlanError
from penstock.passes.offsets import Infeasible
from penstock.passes.place import Place
from penstock.passes.place.effort import Budget
from penstock.passes.place.graphs import graph
from penstock.passes.place.pins import check_pinned, matching
from penstock.passes.place.players import solve
from penstock.passes.place.profiles import machine as profile
from penstock.passes.place.simulate import scheduled

from ..modules import assert_same_values, run_passes
from .programs import machine, program
from .test_mapped import LAYERS, SMALL, smaller

FUSED = "relabel,simplify,fuse"


def test_a_pinned_tensor_is_held_all_its_life() -> None:
    """The verifier judges every plan; here the clock and the pins are looked at too."""
    rng, held, refused = Random(21), 0, 0
    for number in range(40):
        problem, where = program(rng, aliases=False), machine(rng)
        used = sorted({access.tensor for access in problem.accesses})
        pinned = tuple(rng.sample(used, min(len(used), 2)))
        try:
            found = solve(problem, where, "hybrid", Budget(80, number, pinned=pinned))
        except PlanError:  # barred, too large, or too many
            refused += 1
            continue
        held += 1
        plan = found.found.plan
        check_pinned(problem, plan, pinned)
        timed = scheduled(problem, where, plan).latency_s
        assert timed == pytest.approx(found.latency_s, abs=1e-9 * max(found.all_slow_s, 1e-12))
    assert held >= 8
    assert refused >= 4


def test_the_check_of_pins_notices() -> None:
    problem = graph("bert")
    where = profile("R0.5", problem)
    plan = solve(problem, where, "hybrid", Budget(100)).found.plan
    lost = next(x for x in range(len(problem.tensors)) if all(held.tensor != x for held in plan.rectangles))
    with pytest.raises(PlanError, match="not held all its life"):
        check_pinned(problem, plan, (lost,))
    first = plan.rectangles[0]
    short = replace(plan, rectangles=(replace(first, last=first.first - 1), *plan.rectangles[1:]))
    with pytest.raises(PlanError, match="not held all its life"):
        check_pinned(problem, short, (first.tensor,))


def place(pin: str, target: Path = SMALL) -> Place:
    return Place(target=str(target), evaluations=200, pin=pin)


def test_the_pass_takes_names() -> None:
    one = place("w?|v")
    one.run(run_passes(LAYERS, FUSED))
    found = one.maps["main"]
    pinned = matching(found.problem, "w?|v")
    assert {found.problem.tensors[x].name for x in pinned} == {"w0", "w1", "v"}
    check_pinned(found.problem, found.result.found.plan, pinned)
    assert_same_values(LAYERS, f"{FUSED},place{{target={SMALL},evaluations=200,pin=w0|v}}")


def test_pins_that_do_not_fit_name_each_other(tmp_path: Path) -> None:
    module = run_passes(LAYERS, FUSED)
    tight = smaller(tmp_path, "capacity_bytes = 12288", "capacity_bytes = 9216")
    with pytest.raises(Infeasible, match="do not fit") as caught:
        place("w0|x|v", tight).run(module)
    conflict = caught.value.conflict
    assert conflict is not None
    assert sorted(buffer.name for buffer in conflict.buffers) == ["w0", "x"]


@pytest.mark.parametrize(
    ("pin", "complaint"), [("nobody*", "no tensor is called 'nobody\\*'"), ("w0|", None), ("", None)]
)
def test_names_nobody_has_are_told(pin: str, complaint: str | None) -> None:
    module = run_passes(LAYERS, FUSED)
    if complaint is None:
        place(pin).run(module)
        return
    with pytest.raises(InputError, match=complaint):
        place(pin).run(module)


def test_pins_want_a_target_the_hybrid_and_room(tmp_path: Path) -> None:
    with pytest.raises(PassError, match="pins"):
        Place(pin="w0")
    with pytest.raises(InputError, match="msa does not know of pinned tensors"):
        Place(target=str(SMALL), solver="msa", pin="w0").run(run_passes(LAYERS, FUSED))
    tiny = smaller(tmp_path, "capacity_bytes = 12288", "capacity_bytes = 4096")
    with pytest.raises(PlanError, match="cannot be pinned: of 8192 bytes, fast memory of 4096"):
        place("w0", tiny).run(run_passes(LAYERS, FUSED))


def test_the_command_ends_with_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "layers.mlir"
    source.write_text(LAYERS, encoding="utf-8")
    passes = f"{FUSED},place{{target={SMALL},evaluations=200,pin=nobody}}"
    assert cli.main(["opt", str(source), "--pipeline", passes]) == 2
    assert "no tensor is called 'nobody'" in capsys.readouterr().err
    assert issubclass(Infeasible, PenstockError)
