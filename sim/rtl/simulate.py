"""Simulate an emitted design, by the generated C++ driver or by cocotb, and compare what comes out."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from ...ir.errors import InputError, VerifyError
from .compare import SimResult
from .design import Design
from .designs import load
from .run import Progress, Run
from .verilator import build
from .window import Window

DRIVERS = ("cpp", "cocotb")
TRACES = {".vcd": "vcd", ".fst": "fst"}
STOPPED = 3
"""Exit status of a model that reached the cycle limit."""
FAILED = 4
"""Exit status of a model whose design told a failure; its last line says which."""
KEPT_LINES = 20
"""Of what a model says, as many lines are shown when it breaks off."""


def simulate(
    design_dir: str | os.PathLike[str],
    driver: str = "cpp",
    trace: str | os.PathLike[str] | None = None,
    max_cycles: int | None = None,
    memory_latency: int | None = None,
    progress: Progress | None = None,
    window: Window | None = None,
) -> SimResult:
    """Run a design's RTL on its operands and compare with the oracle and the cycle model.

    Args:
        design_dir: a directory written by the Verilog backend.
        driver: ``cpp`` (fast) or ``cocotb``.
        trace: a waveform file to write, ``.vcd`` or ``.fst``.
        max_cycles: give up after so many cycles.
        memory_latency: cycles the memory takes to answer; the design's own when None.
        progress: told of results done and to come.
        window: the cycles that waveforms are written of.

    Raises:
        BundleError: no such design, or a damaged one.
        InputError: an unknown driver or kind of trace, a window without a trace or of a design that has none,
            a latency for a design without memory, or sources that do not build.
        ToolMissing: Verilator, cocotb, a compiler or ``lz4.h`` (FST) is not installed.
        VerifyError: the run broke off, the design failed, or it reached the cycle limit.
    """
    design = load(design_dir)
    if memory_latency is not None:
        design = design.with_latency(memory_latency)
    kind = _trace_kind(trace)
    if driver not in DRIVERS:
        raise InputError(f"no driver '{driver}'", accepted=", ".join(DRIVERS))
    path = Path(trace).resolve() if trace is not None else None
    if path is not None and not path.parent.is_dir():
        raise InputError("no such folder for the trace", where=str(path.parent))
    if window is not None and (path is None or driver != "cpp"):
        raise InputError("a window of cycles", where="--trace-window", accepted="--driver cpp and --trace")
    if driver == "cpp":
        told = design.trace_arguments(path, window) if path is not None else []
        run = _run_cpp(design, kind, told, max_cycles, progress)
    else:
        from .cocotb_run import run_cocotb

        run = run_cocotb(design, kind, path, max_cycles, progress)
    result = design.compare(driver, run, str(path) if path else None, progress)
    return replace(result, trace_note=design.trace_note(run.figures)) if path else result


def _trace_kind(trace: str | os.PathLike[str] | None) -> str | None:
    if trace is None:
        return None
    suffix = Path(trace).suffix
    if suffix not in TRACES:
        raise InputError(f"no trace of kind '{suffix}'", where=str(trace), accepted=", ".join(TRACES))
    return TRACES[suffix]


def _run_cpp(
    design: Design,
    kind: str | None,
    trace: list[str],
    max_cycles: int | None,
    progress: Progress | None,
) -> Run:
    arguments = design.arguments()  # a damaged image is said before anything is built
    if progress:
        progress("building the model", 0, None)
    model = build(
        design.sources(traced=kind is not None),
        design.top,
        design.file(design.description["driver"]),
        trace=kind,
        verilator_flags=design.trace_flags if kind else (),
        optimisation=design.optimisation,
        shared=design.shared,
    )
    with tempfile.TemporaryDirectory(prefix="penstock-sim-") as scratch:
        results = Path(scratch) / "results.bin"
        command = [str(model.executable), "--results", str(results), *arguments, *trace]
        if max_cycles is not None:
            command += ["--max-cycles", str(max_cycles)]
        began = time.monotonic()
        last = _watch(command, design, progress)
        seconds = time.monotonic() - began
        words = results.read_bytes()
    said = _numbers(last)
    figures = {name: said[name] for name in design.figures}
    return Run(design.arrange(words), figures, model.seconds, seconds)


def _numbers(line: str) -> dict[str, int]:
    """The figures of a model's last line, ``finished cycles=12 …``."""
    return {name: int(number) for name, _, number in (item.partition("=") for item in line.split()[1:])}


def _watch(command: list[str], design: Design, progress: Progress | None) -> str:
    """Run a model, pass its progress on, and return its last line."""
    said: list[str] = []
    began = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if not line.startswith("progress "):
                    said = [*said[1 - KEPT_LINES :], line.strip()]
                elif progress:
                    done, total, cycles = map(int, line.split()[1:])
                    rate = cycles / (time.monotonic() - began) / 1e3
                    progress(f"simulating, {rate:,.0f} kcycles/s", done, total)
            process.wait()
        finally:
            process.kill()
    last = said[-1] if said else ""
    if process.returncode == FAILED:
        raise VerifyError(design.failure(_numbers(last)))
    if process.returncode == STOPPED:
        raise VerifyError(f"the simulation reached its cycle limit: {last}", accepted="a higher limit")
    if process.returncode or not last.startswith("finished"):
        text = "\n".join(said) or f"status {process.returncode}"
        raise VerifyError(f"the simulation broke off: {text}")
    return last
