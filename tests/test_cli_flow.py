"""The command line from a model to a report, and what it says when the world is not as it should be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock import cli

pytestmark = pytest.mark.slow

UNSUPPORTED = """\
import torch


class Three(torch.nn.Module):
    def forward(self, x):
        values = torch.linalg.eigvalsh(x @ x.T)
        spectrum = torch.fft.fft(x).abs()
        return values, spectrum, torch.nonzero(x), torch.nonzero(x > 0)


def build():
    return Three().eval(), (torch.randn(4, 4),)
"""


def answer(capsys: pytest.CaptureFixture[str], *argv: str, status: int = cli.DONE) -> Any:
    """What a command prints with ``--json``, after checking its exit status."""
    capsys.readouterr()
    assert cli.main([*argv, "--json"]) == status
    return json.loads(capsys.readouterr().out)


def refusal(capsys: pytest.CaptureFixture[str], *argv: str) -> dict[str, Any]:
    return answer(capsys, *argv, status=cli.BAD_INPUT)["error"]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("flow") / "mlp"
    assert cli.main(["compile", "zoo:mlp", "-o", str(place)]) == cli.DONE
    return place


def test_a_bundle_verifies(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(capsys, "verify", str(bundle))["ok"] is True
    assert cli.main(["verify", str(bundle)]) == cli.DONE


def test_a_bundle_runs_on_given_inputs(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x = np.random.default_rng(0).standard_normal((1, 784)).astype(np.float32)
    np.savez(tmp_path / "in.npz", x=x)
    given = ("--input", str(tmp_path / "in.npz"), "-o", str(tmp_path / "out.npz"), "--threads", "1")
    said = answer(capsys, "run", str(bundle), *given)
    with np.load(tmp_path / "out.npz") as written:
        assert [row["output"] for row in said["outputs"]] == written.files
        assert written[written.files[0]].shape == (1, 10)


def test_a_profile_has_a_row_per_step_and_its_sum_by_kernel_with_the_work_of_each(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = answer(capsys, "run", str(bundle), "--profile", "--threads", "1")
    assert len(said["profile"]) >= 3
    kernels = said["kernels"]
    assert sum(row["runs"] for row in kernels) == len(said["profile"])
    assert sum(row["ms"] for row in kernels) == pytest.approx(sum(row["ms"] for row in said["profile"]))
    assert sum(row["share"] for row in kernels) == pytest.approx(1.0)
    done = sum(row["gflops"] * row["ms"] * 1e6 for row in kernels)
    layers = (784 * 512, 512 * 512, 512 * 10)
    assert done == pytest.approx(2 * sum(layers), rel=0.01)  # what biases and ReLUs add is less


def test_inputs_that_are_missing_are_named(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "in.npz", y=np.zeros((1, 784), np.float32))
    error = refusal(capsys, "run", str(bundle), "--input", str(tmp_path / "in.npz"))
    assert "x" in f"{error['message']} {error['accepted']}"


def test_a_report_is_one_page(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "report.html"
    answer(capsys, "report", str(bundle), "-o", str(page))
    text = page.read_text(encoding="utf-8")
    assert "<html" in text
    assert 'src="http' not in text
    assert 'href="http' not in text


@pytest.mark.parametrize("kind", ["mlir", "llvm", "asm"])
def test_texts_are_printed_and_nothing_is_left(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert len(answer(capsys, "compile", "zoo:mlp", "--emit", kind)["emit"]["text"]) > 1000
    assert not list(tmp_path.iterdir())


def test_what_opt_prints_it_takes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = tmp_path / "first.mlir", tmp_path / "second.mlir"
    text = answer(capsys, "compile", "zoo:mlp", "--emit", "mlir")["emit"]["text"]
    first.write_text(text, encoding="utf-8")
    answer(capsys, "opt", str(first), "--pipeline", "", "-o", str(second))
    assert second.read_text(encoding="utf-8") == text


def test_opt_takes_a_model_through_its_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raised = tmp_path / "raised.mlir"
    text = answer(capsys, "compile", "zoo:mlp", "--emit", "mlir", "--pipeline", "")["emit"]["text"]
    raised.write_text(text, encoding="utf-8")
    passes = "relabel,simplify,fuse,place"
    said = answer(capsys, "opt", str(raised), "--pipeline", passes, "--timing", "--print-after-all")
    assert [row["pass"] for row in said["timing"]] == passes.split(",")
    assert [stage["pass"] for stage in said["stages"]] == passes.split(",")
    assert said["stages"][-1]["module"] == said["module"]
    assert "tier.alloc" in said["module"]
    assert "cascade.fused" not in text


def test_analysis_lists_cascades(capsys: pytest.CaptureFixture[str]) -> None:
    cascades = answer(capsys, "analyze", "zoo:bert-base,layers=1")["cascades"]
    attention = [each for each in cascades if each["name"].endswith("attention")]
    assert attention
    for each in attention:
        assert (each["passes_before"], each["passes_after"]) == (3, 1)
        assert "M " in each["footprint"]["before"]
        assert "M " not in each["footprint"]["after"]


@pytest.mark.parametrize(
    ("argv", "named"),
    [
        (["--target", "abacus"], "abacus"),
        (["--target", "dgx-h100"], "dgx-h100"),
        (["--target", "tpu-v4i", "--quantize", "int8"], "tpu-v4i"),
        (["--target", "bolt-u55c"], "bolt-u55c"),
        (["--shape", "q=3"], "q"),
        (["--dtype", "f8"], "f8"),
        (["--pipeline", "relabel,frobnicate"], "frobnicate"),
    ],
)
def test_bad_options_are_named_and_nothing_is_written(
    argv: list[str], named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    error = refusal(capsys, "compile", "zoo:mlp", *argv, "-o", str(tmp_path / "b"))
    assert named in f"{error['where']} {error['message']}"
    assert error["accepted"]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "model",
    ["zoo:no-such-model", "missing.py:build", "missing.pt2", "missing.mlir", "model.onnx", "nonsense"],
)
def test_models_that_are_not_there_are_refused(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    error = refusal(capsys, "compile", model, "-o", str(tmp_path / "b"))
    assert error["message"]
    assert not list(tmp_path.iterdir())


def test_unsupported_operators_are_reported_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "three.py").write_text(UNSUPPORTED)
    error = refusal(capsys, "compile", f"{tmp_path / 'three.py'}:build", "-o", str(tmp_path / "b"))
    counts = {op["op"]: op["count"] for op in error["ops"]}
    assert len(counts) == 3, error
    assert sorted(counts.values()) == [1, 1, 2]
    assert all("three.py:" in source for op in error["ops"] for source in op["sources"])
    assert not (tmp_path / "b").exists()


def test_a_corrupt_bundle_is_refused(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken"
    subprocess.run(["cp", "-r", str(bundle), str(broken)], check=True)
    weights = broken / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-100] ^= 1
    weights.write_bytes(content)
    for command in ("run", "verify", "report"):
        assert "weights.safetensors" in str(refusal(capsys, command, str(broken))["where"])


@pytest.mark.parametrize("command", ["run", "verify", "simulate", "report"])
def test_a_folder_that_is_no_bundle_is_refused(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "bundle" in refusal(capsys, command, str(tmp_path))["message"]


def elsewhere(
    tmp_path: Path, *argv: str, path: str | None = None, most_bytes: int | None = None
) -> tuple[int, str]:
    """Exit status and stderr of a command run with another PATH, or a limit on the size of files."""
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({most_bytes},) * 2)\n"
    program = (
        limit if most_bytes else ""
    ) + "import sys\nfrom penstock.cli import main\nsys.exit(main(sys.argv[1:]))"
    environment = dict(os.environ) if path is None else {**os.environ, "PATH": path}
    command = [sys.executable, "-c", program, *argv]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


def test_a_missing_compiler_is_said_before_any_work(tmp_path: Path) -> None:
    status, said = elsewhere(tmp_path, "compile", "zoo:mlp", "-o", "b", path=str(tmp_path))
    assert status == cli.BAD_INPUT, said
    assert "compiler" in said
    assert not list(tmp_path.iterdir())


def test_a_disk_that_takes_no_more_leaves_nothing(tmp_path: Path) -> None:
    status, said = elsewhere(tmp_path, "compile", "zoo:mlp", "-o", "b", most_bytes=200_000)
    assert status == cli.BAD_INPUT, said
    assert "Traceback" not in said
    assert not (tmp_path / "b").exists()
    assert not list(tmp_path.glob(".b.*"))


@pytest.mark.parametrize("by", ["position", "name"])
def test_saved_programs_compile_however_they_were_exported(by: str, tmp_path: Path) -> None:
    import torch

    x = torch.randn(8, 16)
    args, keywords = ((x,), {}) if by == "position" else ((), {"input": x})
    program = torch.export.export(torch.nn.Linear(16, 4).eval(), args, keywords)
    torch.export.save(program, tmp_path / "linear.pt2")
    given = str(tmp_path / "linear.pt2")
    assert cli.main(["compile", given, "--verify", "-o", str(tmp_path / "b")]) == cli.DONE


def test_inputs_keep_the_callers_names(tmp_path: Path) -> None:
    """PyTorch's graphs rename an input called ``input``, after the Python builtin."""
    import torch

    import penstock

    model = torch.nn.Sequential(torch.nn.Linear(16, 4), torch.nn.GELU()).eval()
    bundle = penstock.compile(model, (torch.randn(8, 16),), out=tmp_path / "b")
    assert bundle.verify().ok
    assert bundle.run({"input": np.zeros((8, 16), np.float32)})["output"].shape == (8, 4)


def test_a_model_that_differs_every_time_is_not_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "unseeded.py").write_text(
        "import torch\n\n\ndef build():\n    torch.seed()\n"
        "    return torch.nn.Linear(3, 2).eval(), (torch.ones(1, 3),)\n"
    )
    answer(capsys, "compile", f"{tmp_path / 'unseeded.py'}:build", "-o", str(tmp_path / "b"))
    assert "other parameters" in refusal(capsys, "verify", str(tmp_path / "b"))["message"]


def test_layers_go_from_a_module_to_a_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place, page = str(tmp_path / "block"), tmp_path / "block.html"
    text = (resources.files("penstock.ir.targets") / "bitmod-4x4.toml").read_text(encoding="utf-8")
    (tmp_path / "less.toml").write_text(text.replace("= 3264 ", "= 1632 "), encoding="utf-8")
    wide = refusal(capsys, "compile", "zoo:mlp", "--target", str(tmp_path / "less.toml"), "-o", place)
    assert "7 groups" in wide["message"]
    assert wide["where"] == "layers.0"
    assert "at most 768 inputs" in wide["accepted"]
    assert (
        cli.main(["compile", "zoo:mlp", "--target", "bitmod-4x4", "--layer", "layers", "-o", place])
        == cli.DONE
    )
    found = answer(capsys, "simulate", place, "--memory-latency", "33")
    assert found["ok"]
    assert found["memory_latency"] == 33
    assert sum(each["cycles_rtl"] for each in found["layers"]) == found["cycles_rtl"] == found["cycles_model"]
    assert "cycle limit" in refusal(capsys, "simulate", place, "--max-cycles", "50")["message"]
    assert cli.main(["report", place, "-o", str(page)]) == cli.DONE
    assert found["layers"][0]["name"] in capsys.readouterr().out
    assert "layer by layer" in page.read_text(encoding="utf-8")
    image = Path(place, "verilog", "memory.bin")
    image.write_bytes(image.read_bytes()[:-1])
    assert refusal(capsys, "simulate", place)["where"] == str(image)
