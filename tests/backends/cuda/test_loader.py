"""The loader's calls of the driver, against one that checks them and one that carries them out."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import penstock
from penstock import cli
from penstock.backends.cuda.device import Device
from penstock.backends.cuda.emulate import emulate
from penstock.backends.cuda.loader import Program
from penstock.backends.cuda.plan import Plan
from penstock.ir.errors import BundleError, InputError, TargetError, ToolMissing

from .fake_driver import Execute, FakeDriver

pytest.importorskip("cuda.bindings.nvrtc", reason="penstock[cuda] is not installed")


class Small(nn.Module):
    """Two layers, and a result that is an input."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(24, 40), nn.Linear(40, 8)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        hidden = torch.relu(self.first(x))
        return self.second(hidden) + self.second(hidden * 2), x


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> penstock.Bundle:
    out = tmp_path_factory.mktemp("cuda") / "b"
    return penstock.compile(Small().eval(), (torch.zeros(5, 24),), target="h200", out=out)


Loaded = tuple[Program, FakeDriver]


def load(
    bundle: penstock.Bundle, execute: Execute | None = None, capability: tuple[int, int] = (9, 0)
) -> Loaded:
    plan = Plan.from_json(bundle.files.json("cuda/plan.json"), "plan")
    kernels = {
        name: replace(facts.kernel, source=bundle.files.text(f"cuda/{name}.cu"))
        for name, facts in plan.kernels.items()
    }
    driver = FakeDriver(kernels, execute, capability)
    return Program(bundle.files, Device(driver)), driver


def test_a_run_is_one_graph_and_nothing_is_left_behind(bundle: penstock.Bundle) -> None:
    program, driver = load(bundle)
    steps = [step.name for step in program.plan.entries["main"].steps]
    assert "copy" in steps
    for _ in range(3):
        program.run({"x": np.zeros((5, 24), np.float32)})
    assert sorted(driver.launches) == sorted(steps * 3)
    assert driver.memory.size == program.plan.bytes
    kinds = list(driver.live.values())
    assert kinds.count("executable graph") == 1
    assert kinds.count("graph") == 0
    rows = program.run({"x": np.zeros((5, 24), np.float32)}, profile=True)["__profile__"]
    assert [row["kernel"] for row in rows] == steps
    assert {row["ms"] for row in rows} == {0.5}
    del program
    gc.collect()
    assert set(driver.live.values()) <= {"function"}  # which go with their modules


@pytest.mark.slow
def test_results_are_those_of_the_kernels(bundle: penstock.Bundle) -> None:
    program, _ = load(bundle, emulate)
    x = torch.randn(5, 24, generator=torch.Generator().manual_seed(1))
    outputs = list(program.run({"x": x.numpy()}).values())
    model = Small().eval()
    wanted = [each.detach().numpy() for each in model(x)]
    assert np.linalg.norm(outputs[0] - wanted[0]) / np.linalg.norm(wanted[0]) < 1e-2
    np.testing.assert_array_equal(outputs[1], wanted[1])


def test_what_is_refused(bundle: penstock.Bundle) -> None:
    with pytest.raises(TargetError, match=r"compiled for sm_90a, this device has compute capability 8\.0"):
        load(bundle, capability=(8, 0))
    program, _ = load(bundle)
    with pytest.raises(InputError, match="axis 0 must be 5"):
        program.run({"x": np.zeros((4, 24), np.float32)})
    files = replace(bundle.files, manifest={**bundle.files.manifest, "backends": {"cpu": {}}})
    with pytest.raises(BundleError, match="holds no CUDA code"):
        Program(files)


def test_a_machine_without_a_gpu_is_told_so(
    bundle: penstock.Bundle, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_driver(*_: object) -> object:
        raise RuntimeError("libcuda.so.1 is not there")

    class Absent:
        cuInit = staticmethod(no_driver)

    monkeypatch.setattr("penstock.backends.cuda.device._bindings", Absent)
    with pytest.raises(ToolMissing, match="libcuda"):
        Device()
    assert cli.main(["run", str(bundle.path)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "no NVIDIA GPU can be used here" in said


def test_the_bundle_holds_what_is_needed_to_build_it_elsewhere(bundle: penstock.Bundle) -> None:
    folder: Callable[[str], Path] = lambda name: bundle.path / "cuda" / name  # noqa: E731
    plan = Plan.from_json(bundle.files.json("cuda/plan.json"), "plan")
    for name, facts in plan.kernels.items():
        source = folder(f"{name}.cu").read_text(encoding="utf-8")
        assert all(einsum.split(" = ")[0] in source for einsum in facts.kernel.einsums)
        assert facts.resources.spill_bytes == 0
        for line in source.splitlines():
            if line.startswith("#include"):
                assert folder(f"include/{line.split(chr(34))[1]}").is_file()
    report = bundle.report()
    assert "registers" in report.text()
    assert [kernel.spill_bytes for kernel in report.bundles[0].kernels] == [0] * len(plan.kernels)


@pytest.mark.slow
def test_outputs_are_verified_against_eager_pytorch(
    bundle: penstock.Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, _ = load(bundle, emulate)
    monkeypatch.setattr(penstock.Bundle, "cuda_program", lambda self: program)
    report = bundle.verify()
    assert report.ok
    (case,) = report.verification.cases
    assert 0 < case.outputs[0].relative < case.bound
