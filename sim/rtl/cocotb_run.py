"""The cocotb way of running a design: the same Verilated top, driven from Python inside the simulator."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ...ir.errors import ToolMissing, VerifyError
from .design import Design
from .run import Progress, Run
from .verilator import Build, build

PUBLIC = '`verilator_config\npublic_flat_rw -module "{top}" -var "*"\n'
POLL_SECONDS = 0.2


def build_for_cocotb(
    sources: list[Path],
    top: str,
    trace: str | None = None,
    flags: tuple[str, ...] = (),
    *,
    coverage: bool = False,
) -> Build:
    """A model with cocotb's main program, the top's ports reachable from Python.

    Raises:
        ToolMissing: cocotb, Verilator or a compiler is not installed.
        InputError: the sources do not build.
    """
    if importlib.util.find_spec("cocotb_tools") is None:
        raise ToolMissing("cocotb is not installed", accepted="pip install 'penstock[rtl]'")
    from cocotb_tools import config

    libraries = Path(config.libs_dir)
    with tempfile.TemporaryDirectory(prefix="penstock-vlt-") as scratch:
        public = Path(scratch) / "public.vlt"
        public.write_text(PUBLIC.format(top=top), encoding="utf-8")
        return build(
            [public, *sources],
            top,
            Path(config.share_dir) / "lib" / "verilator" / "verilator.cpp",
            trace=trace,
            verilator_flags=("--vpi", "--timescale", "1ns/1ps", *flags),
            link_flags=(f"-Wl,-rpath,{libraries}", f"-L{libraries}", "-lcocotbvpi_verilator"),
            coverage=coverage,
        )


def run_module(
    model: Build,
    top: str,
    module: str,
    folder: Path,
    arguments: tuple[str, ...] = (),
    *,
    trace: Path | None = None,
    module_folder: Path | None = None,
) -> subprocess.Popen[str]:
    """Start a model with a cocotb module's tests; ``results.xml`` and ``cocotb.log`` go to ``folder``.

    Args:
        model: built by `build_for_cocotb`.
        top: its top module.
        module: the Python module with the tests, as it is imported.
        folder: working folder.
        arguments: more arguments for the model, plusargs for instance.
        trace: waveform file, where the model was built with tracing.
        module_folder: where to look for the module before Python's own path.

    Raises:
        ToolMissing: this Python has no shared library, which a simulator needs to run it.
    """
    environment = _environment(top, module, folder)
    if module_folder is not None:
        environment["PYTHONPATH"] = os.pathsep.join((str(module_folder), environment["PYTHONPATH"]))
    command = [str(model.executable), *(("--trace", "--trace-file", str(trace)) if trace else ()), *arguments]
    log = (folder / "cocotb.log").open("w", encoding="utf-8")
    with log:
        return subprocess.Popen(command, env=environment, stdout=log, stderr=log, text=True, cwd=folder)


def _environment(top: str, module: str, folder: Path) -> dict[str, str]:
    """What cocotb reads when the simulator starts it."""
    import find_libpython
    from cocotb_tools import config

    library = find_libpython.find_libpython()
    if library is None:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise ToolMissing(
            f"cocotb needs the shared library of Python {version}",
            accepted=f"apt-get install libpython{version}, or the driver cpp",
        )
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "PYGPI_PYTHON_BIN": sys.executable,
        "GPI_USERS": f"{library};{config.pygpi_entry_point()}",
        "TOPLEVEL_LANG": "verilog",
        "COCOTB_TOPLEVEL": top,
        "COCOTB_TEST_MODULES": module,
        "COCOTB_RESULTS_FILE": str(folder / "results.xml"),
        "COCOTB_LOG_LEVEL": "WARNING",
        "COCOTB_TRUST_INERTIAL_WRITES": "1",
    }


def run_cocotb(
    design: Design, kind: str | None, trace: Path | None, max_cycles: int | None, progress: Progress | None
) -> Run:
    """Run a design once by the cocotb driver.

    Raises:
        ToolMissing: cocotb, Verilator or a compiler is not installed.
        VerifyError: the run broke off, the design failed, or it reached the cycle limit.
    """
    given = design.job()  # a damaged image is said before anything is built
    if progress:
        progress("building the model", 0, None)
    model = build_for_cocotb(design.sources(traced=kind is not None), design.top, kind)
    with tempfile.TemporaryDirectory(prefix="penstock-cocotb-") as scratch:
        folder = Path(scratch)
        results, outcome = folder / "results.bin", folder / "outcome.json"
        job = {
            **given,
            "figures": design.figures,
            "max_cycles": max_cycles,
            "results": str(results),
            "outcome": str(outcome),
        }
        (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
        began = time.monotonic()
        process = run_module(
            model, design.top, design.cocotb_driver, folder, (f"+job={folder / 'job.json'}",), trace=trace
        )
        try:
            while process.poll() is None:
                time.sleep(POLL_SECONDS)
                if progress and results.exists():
                    progress("simulating", results.stat().st_size, design.result_bytes)
        finally:
            process.kill()
        seconds = time.monotonic() - began
        if not outcome.exists():
            log = (folder / "cocotb.log").read_text(encoding="utf-8")
            raise VerifyError(f"the simulation broke off (status {process.returncode}):\n{log[-4000:]}")
        said = json.loads(outcome.read_text(encoding="utf-8"))
        if "failed" in said:
            raise VerifyError(design.failure(said["failed"]))
        if not said["finished"]:
            raise VerifyError(
                f"the simulation reached its cycle limit: {said['figures']['cycles']} cycles",
                accepted="a higher limit",
            )
        return Run(design.arrange(results.read_bytes()), said["figures"], model.seconds, seconds)
