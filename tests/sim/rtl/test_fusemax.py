"""An emitted attention head on the RTL: bit-exact in the model's cycles, for any legal schedule."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import find_libpython
import numpy as np
import pytest

from penstock.backends.verilog import emit_attention
from penstock.heads import bind_head
from penstock.ir import targets
from penstock.ir.errors import BundleError, ToolMissing, VerifyError
from penstock.ir.schedule import Schedule
from penstock.sim.cost.spatial.tiling import Tiling
from penstock.sim.rtl.fusemax import AttentionResult
from penstock.sim.rtl.record import record_run, runs_from_json
from penstock.sim.rtl.simulate import simulate

pytestmark = pytest.mark.slow
Make = Callable[..., Schedule]


def operands(tiling: Tiling, seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    shapes = {"q": (tiling.queries, tiling.e), "k": (tiling.keys, tiling.e), "v": (tiling.keys, tiling.f)}
    return {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


def emit(folder: Path, tiling: Tiling, schedule: Schedule, **given: np.ndarray) -> Path:
    """The head's directory; its name stays the same, so that equal shapes share a build."""
    each = {**operands(tiling), **given}
    sizes = {"rows": tiling.rows, "cols": tiling.cols, "most_p1": tiling.p1, "scale": tiling.e**-0.5}
    return emit_attention(folder, "head", schedule, each["q"], each["k"], each["v"], **sizes)


def run(folder: Path, driver: str = "cpp", **settings: Any) -> AttentionResult:
    result = simulate(folder, driver, **settings)
    assert isinstance(result, AttentionResult)
    return result


def exact(result: AttentionResult) -> None:
    assert result.bit_exact, f"{result.mismatches} of {result.results} differ"
    assert result.cycles_rtl == result.cycles_model
    assert result.relative_error < 5e-4
    assert result.ok


SMALL = Tiling(4, 4, 8, 8, queries=30, keys=23, p1=4)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, attention_schedule: Make) -> Path:
    """Ragged queries and keys, two blocks, tiles that overlap."""
    schedule = attention_schedule(4, 8, 8, SMALL.p1, period=36, slack=2, seed=1)
    assert schedule.stages > 1
    return emit(tmp_path_factory.mktemp("design") / "head", SMALL, schedule)


@pytest.mark.parametrize("driver", ["cpp", "cocotb"])
def test_both_drivers_find_the_oracles_bits_in_the_models_cycles(small: Path, driver: str) -> None:
    if driver == "cocotb" and find_libpython.find_libpython() is None:
        with pytest.raises(ToolMissing, match="libpython"):
            run(small, driver)
        return
    said: list[tuple[str, float, float | None]] = []
    result = run(small, driver, progress=lambda *each: said.append(each))
    exact(result)
    assert result.results == 30 * 8
    assert 0.3 < result.utilisation_2d < result.utilisation_1d < 1
    assert said[0][0] == "building the model"
    data = json.loads(json.dumps(result.to_json()))
    assert (data["design"], data["ok"]) == ("fusemax_attention", True)
    assert "bit-exact" in result.text()
    assert "2D array" in result.text()


def test_a_run_is_recorded_beside_others(small: Path, tmp_path: Path) -> None:
    path, result = tmp_path / "sim.json", run(small)
    path.write_text('{"schema": 1, "runs": [{"layer": "of an older version"}]}')
    path.write_text('{"runs": [')  # what a machine that stopped left behind
    record_run(path, result)
    record_run(path, result)
    assert runs_from_json(json.loads(path.read_text())) == (result,)


def test_waveforms_and_the_cycle_limit(small: Path, tmp_path: Path) -> None:
    wave = tmp_path / "wave.vcd"
    exact(run(small, trace=wave))
    content = wave.read_text()
    assert content.startswith("$version")
    assert "i_controller" in content
    with pytest.raises(VerifyError, match="cycle limit"):
        run(small, max_cycles=100)


def test_a_wrong_program_or_key_is_noticed(small: Path, tmp_path: Path) -> None:
    first_key, first_step = 2 + SMALL.p1 * SMALL.e, 2  # after two lines of heading
    for image, at, bit in (("inputs.hex", first_key, 14), ("program.hex", first_step, 7)):
        folder = shutil.copytree(small, tmp_path / image)
        lines = (folder / image).read_text().splitlines()
        lines[at] = f"{int(lines[at], 16) ^ 1 << bit:0{len(lines[at])}x}"
        (folder / image).write_text("\n".join(lines) + "\n")
        result = run(folder)
        assert not result.ok
        assert result.mismatches
        assert "DIFFER" in result.text()


def test_an_unknown_kind_of_design_is_refused(small: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(small, tmp_path / "head")
    described = json.loads((folder / "design.json").read_text())
    (folder / "design.json").write_text(json.dumps({**described, "design": "abacus"}))
    with pytest.raises(BundleError, match="bitmod_accel, fusemax_attention"):
        run(folder)


ADVERSARIAL = {
    "zeros": lambda q, k, v: (q * 0, k * 0, v * 0),
    "equal scores": lambda q, k, v: (q * 0 + 1, k * 0 + 1, v),
    "huge scores": lambda q, k, v: (q * 4000, k * 4000, v),
    "the largest numbers": lambda q, k, v: (q * 0 + 65504, np.sign(k) * 65504, np.sign(v) * 65504),
    "beyond half precision": lambda q, k, v: (q, k, v * 1e6),
    "subnormal numbers": lambda q, k, v: (q * 1e-6, k * 1e-6, v * 1e-6),
    "not numbers": lambda q, k, v: (np.where(q > 2, np.nan, q), k, np.where(v > 2, np.inf, v)),
}


@pytest.mark.parametrize("kind", ADVERSARIAL)
def test_adversarial_operands_are_bit_exact_too(small: Path, tmp_path: Path, kind: str) -> None:
    """Same design, other streams: the build is shared."""
    from penstock.sim.rtl.fusemax import AttentionDesign

    with np.errstate(all="ignore"):
        q, k, v = ADVERSARIAL[kind](*operands(SMALL).values())
    schedule = AttentionDesign.load(small).schedule
    result = run(emit(tmp_path / "head", SMALL, schedule, q=q, k=k, v=v))
    assert result.bit_exact, f"{result.mismatches} of {result.results} differ"
    assert result.cycles_rtl == result.cycles_model


SHAPES = {
    "one key tile, one query tile": (Tiling(4, 4, 8, 8, queries=3, keys=2, p1=1), 60, 0),
    "E below F, one tile after the other": (Tiling(4, 4, 5, 14, queries=16, keys=9, p1=4), 100, 0),
    "E above F, many tiles in flight": (Tiling(4, 4, 12, 6, queries=20, keys=21, p1=5), 30, 9),
    "stalls for keys": (Tiling(12, 2, 8, 8, queries=8, keys=70, p1=4), 26, 0),
    "more columns than rows": (Tiling(2, 5, 8, 8, queries=17, keys=7, p1=4), 27, 3),
}


@pytest.mark.parametrize("name", SHAPES)
def test_any_legal_schedule_runs(tmp_path: Path, attention_schedule: Make, name: str) -> None:
    tiling, period, slack = SHAPES[name]
    schedule = attention_schedule(
        tiling.rows, tiling.e, tiling.f, tiling.p1, period=period, slack=slack, seed=2
    )
    result = run(emit(tmp_path / "head", tiling, schedule))
    exact(result)
    assert (result.stall_cycles > 0) == name.startswith("stalls")
    assert name != "E above F, many tiles in flight" or schedule.stages >= 3


def test_a_bound_schedule_runs_on_eight_by_eight(tmp_path: Path) -> None:
    """The solver's schedule; two blocks, ragged keys, E ≠ F."""
    target = targets.load("fusemax-small")
    tiling = Tiling(8, 8, 16, 24, queries=50, keys=37, p1=4)
    schedule = bind_head(target, tiling)
    exact(run(emit(tmp_path / "head", tiling, schedule)))


def test_a_bert_head_runs_on_sixteen_by_sixteen(tmp_path: Path) -> None:
    """E = F = 64 and 128 keys and queries: a tile begins every 138 cycles, the 1D row never idles."""
    target = targets.load("fusemax-16x16")
    tiling = Tiling(16, 16, 64, 64, queries=128, keys=128, p1=8)
    schedule = bind_head(target, tiling)
    assert schedule.period == 138
    result = run(emit(tmp_path / "head", tiling, schedule))
    exact(result)
    assert result.cycles_rtl == 10443
    assert result.utilisation_2d > 0.83
    assert result.utilisation_1d > 0.89
