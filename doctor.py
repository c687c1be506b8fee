"""What of the things penstock uses is on this machine, and how to get what is not.

Package versions are compared with the pins of penstock's own metadata, so the pins are written once, in
``pyproject.toml``. Nothing heavy is imported: a broken torch must not keep the doctor from saying so.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

from .backends.cuda import driver
from .ir.targets import host
from .sim.rtl.verilator import cache_folder

VARIABLES = {
    "PENSTOCK_CACHE_DIR": "where built simulators and kernels are kept",
    "XDG_CACHE_HOME": "its parent, where PENSTOCK_CACHE_DIR is not set (default ~/.cache)",
}
"""Every environment variable penstock reads → what for."""

IMPORTED_AS = {"cuda": "cuda-bindings"}
"""Import names that are not their distribution's name with underscores."""

REQUIREMENT = re.compile(r'^([\w.-]+)(?:\[[^]]*\])?\s*([^;]*?)\s*(?:;.*extra\s*==\s*["\'](\w+)["\'].*)?$')


@dataclass(frozen=True)
class Need:
    """A Python package penstock can use: its name, its version specifier, and the extra that brings it."""

    name: str
    version: str
    extra: str | None

    @property
    def command(self) -> str:
        """The command that installs it."""
        return (
            f"pip install 'penstock[{self.extra}]'"
            if self.extra
            else f"pip install '{self.name}{self.version}'"
        )


@dataclass(frozen=True)
class Check:
    """One thing looked at: what was found (None: it is missing), what it is for, and how to get it."""

    name: str
    found: str | None
    needed_for: str
    fix: str = ""

    @property
    def ok(self) -> bool:
        """Found, or not needed by every compilation."""
        return self.found is not None or self.needed_for != "everything"


@dataclass(frozen=True)
class Report:
    """Everything looked at, and the environment variables penstock reads with their values."""

    checks: tuple[Check, ...]
    variables: dict[str, str | None]

    @property
    def ok(self) -> bool:
        """Whether penstock can compile and run models for the CPU here."""
        return all(check.ok for check in self.checks)

    def to_json(self) -> dict[str, object]:
        """The report as a JSON object."""
        checks = [asdict(check) | {"ok": check.ok} for check in self.checks]
        return {"ok": self.ok, "checks": checks, "environment": self.variables}

    def text(self) -> str:
        """The report for people: what is there, then what is missing and how to get it."""
        width = max(len(check.name) for check in self.checks)
        lines = [f"  {check.name:{width}}  {check.found or 'missing'}" for check in self.checks]
        lines += ["", "environment variables"]
        lines += [f"  {name}={value or ''}  ({VARIABLES[name]})" for name, value in self.variables.items()]
        absent = [check for check in self.checks if check.found is None]
        if absent:
            lines += ["", "missing"]
            lines += [f"  {check.name}, needed for {check.needed_for}: {check.fix}" for check in absent]
        verdict = "ready" if self.ok else "not ready: something that every compilation needs is missing"
        return "\n".join([*lines, "", verdict])


def needs() -> tuple[Need, ...]:
    """The Python packages penstock can use, from its metadata, or from ``pyproject.toml`` in a checkout."""
    try:
        stated = metadata.requires("penstock") or []
    except metadata.PackageNotFoundError:
        project = tomllib.loads(Path(__file__).with_name("pyproject.toml").read_text(encoding="utf-8"))[
            "project"
        ]
        extras = project["optional-dependencies"]
        stated = project["dependencies"] + [
            f'{line}; extra == "{extra}"' for extra, lines in extras.items() for line in lines
        ]
    found = (REQUIREMENT.match(line) for line in stated)
    listed = [Need(match[1], match[2].replace(" ", ""), match[3]) for match in found if match]
    return tuple(need for need in listed if need.name != "penstock")


def install_hint(module: str) -> str:
    """The command that brings the package a Python module comes from."""
    name = IMPORTED_AS.get(module, module.replace("_", "-"))
    return next((need.command for need in needs() if need.name == name), f"pip install {name}")


def first_line(*command: str) -> str | None:
    """The first line a command prints; None where it is missing or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return (done.stdout or done.stderr).strip().partition("\n")[0] or command[0]


def package(need: Need, needed_for: str) -> Check:
    """Whether a package is installed in the version asked for."""
    try:
        version = metadata.version(need.name)
    except metadata.PackageNotFoundError:
        return Check(need.name, None, needed_for, need.command)
    pin = need.version.removeprefix("==")
    if need.version.startswith("==") and version.partition("+")[0] != pin:
        return Check(need.name, None, needed_for, f"{version} is installed, {pin} is needed: {need.command}")
    return Check(need.name, version, needed_for)


def packages() -> Iterator[Check]:
    """Core packages, then those of the extras a user may want."""
    uses = {
        None: "everything",
        "rtl": "simulating Verilog",
        "zoo": "zoo:minilm-l6's real weights",
        "cuda": "CUDA",
        "explore": "sweeps over several machines",
    }
    for need in needs():
        if need.extra in uses:
            yield package(need, uses[need.extra])


def has_header(header: str) -> bool:
    """Whether the C++ compiler finds a header."""
    compiler = shutil.which("c++")
    if compiler is None:
        return False
    source = f"#include <{header}>\n"
    command = [compiler, "-E", "-x", "c++", "-", "-o", os.devnull]
    return subprocess.run(command, input=source, text=True, capture_output=True, check=False).returncode == 0


def nvidia_driver() -> Check:
    """The driver of a GPU, and whether it is new enough for what NVRTC makes."""
    name, use, found = "NVIDIA driver", "running CUDA bundles", driver.present()
    if found is None:
        return Check(name, None, use, "a machine with an NVIDIA GPU and its driver")
    library, release = found
    if release is None:
        return Check(name, f"{library}, which says no version", use)
    said = f"CUDA {release[0]}.{release[1]}"
    if release < driver.NEEDED:
        return Check(name, None, use, f"{library} is for {said}, wanted is {driver.ADVICE}")
    return Check(name, f"{library}, {said}", use)


def tools() -> Iterator[Check]:
    """Compilers and what goes with them."""
    rtl = "simulating Verilog"
    yield Check("cc", first_line("cc", "--version"), "everything", "apt-get install gcc")
    yield Check("c++", first_line("c++", "--version"), rtl, "apt-get install g++")
    yield Check("ar", first_line("ar", "--version"), rtl, "apt-get install binutils")
    yield Check("make", first_line("make", "--version"), "make demo, make test", "apt-get install make")
    yield nvidia_driver()
    for header, holder in (("lz4.h", "liblz4-dev"), ("zlib.h", "zlib1g-dev")):
        found = "found" if has_header(header) else None
        yield Check(header, found, "FST waveforms (VCD needs nothing)", f"apt-get install {holder}")


def machine() -> Iterator[Check]:
    """The processor, its memory, and room on disk."""
    cpu = host.detect()
    yield Check("processor", f"{cpu.model}: {cpu.isa}, {cpu.vector_bits}-bit vectors", "information")
    yield Check("cores", str(cpu.cores), "information")
    yield Check("memory", f"{(cpu.memory_bytes or 0) / 2**30:.1f} GiB", "information")
    cache = cache_folder()
    there = next(each for each in (cache, *cache.parents) if each.exists())
    room = shutil.disk_usage(there).free
    writable = "" if os.access(there, os.W_OK) else ", NOT writable"
    yield Check("cache", f"{cache} ({room / 2**30:.1f} GiB free{writable})", "information")


def python() -> Check:
    """The interpreter itself."""
    enough = sys.version_info >= (3, 11)
    found = f"{platform.python_version()} at {sys.executable}"
    return Check("python", found if enough else None, "everything", "install Python 3.11 or newer")


def examine() -> Report:
    """Look at everything."""
    checks = (python(), *packages(), *tools(), *machine())
    return Report(checks, {name: os.environ.get(name) for name in VARIABLES})
