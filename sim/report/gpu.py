"""The kernels of a CUDA bundle in a report: launch, registers, spills, shared memory, what fits at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ...ir.bundle import BundleFiles
from ...ir.errors import BundleError
from . import units
from .markup import Cell, table

BACKEND = "cuda"
COLUMNS = (
    "kernel",
    "what it is",
    "blocks",
    "threads",
    "registers",
    "spilled",
    "shared memory",
    "blocks at once",
    "runs",
)
# Of one multiprocessor, compute capability 9.0 (CUDA C++ Programming Guide, technical specifications).
_REGISTERS, _THREADS, _BLOCKS, _SHARED, _RESERVED = 65536, 2048, 32, 228 * 1024, 1024


@dataclass(frozen=True)
class GpuKernel:
    """One kernel.

    Attributes:
        name: of the function.
        note: what it is.
        blocks, threads: of a launch, and of a block.
        registers: of a thread.
        spill_bytes: loads and stores of registers that did not fit.
        shared_bytes: of a block.
        runs: launches in one run of the largest entry.
    """

    name: str
    note: str
    blocks: int
    threads: int
    registers: int
    spill_bytes: int
    shared_bytes: int
    runs: int

    @property
    def at_once(self) -> int:
        """Blocks that fit on one multiprocessor of an H100 or H200."""
        warps = -(-self.threads // 32)
        by_registers = _REGISTERS // max(1, -(-self.registers // 8) * 8 * 32 * warps)
        by_shared = _SHARED // (self.shared_bytes + _RESERVED)
        return min(by_registers, by_shared, _THREADS // (32 * warps), _BLOCKS)

    def row(self) -> tuple[str, ...]:
        """A line of the terminal's table, under `COLUMNS`."""
        return tuple(each.text if isinstance(each, Cell) else str(each) for each in self.cells())

    def cells(self) -> tuple[Cell | str | int, ...]:
        """A line of the page's table."""
        shared = Cell(units.size(self.shared_bytes), float(self.shared_bytes))
        counts = (self.blocks, self.threads, self.registers, self.spill_bytes)
        return (self.name, self.note, *counts, shared, self.at_once, self.runs)

    def to_json(self) -> dict[str, Any]:
        """The figures by name."""
        return asdict(self) | {"blocks_at_once": self.at_once}


def read_kernels(bundle: BundleFiles) -> tuple[GpuKernel, ...]:
    """The kernels of a bundle, none where it holds no CUDA.

    Raises:
        BundleError: no launch list, or a corrupt one.
    """
    facts = bundle.manifest["backends"].get(BACKEND)
    if facts is None:
        return ()
    plan = bundle.json(facts["plan"])
    try:
        most = max(plan["entries"].values(), key=lambda entry: len(entry["steps"]), default={"steps": []})
        runs: dict[str, int] = {}
        for step in most["steps"]:
            runs[step["name"]] = runs.get(step["name"], 0) + 1
        return tuple(_kernel(name, kernel, runs.get(name, 0)) for name, kernel in plan["kernels"].items())
    except (KeyError, TypeError) as error:
        where = str(bundle.path / facts["plan"])
        raise BundleError(f"not a launch list: {error}", where=where, accepted="compile again") from error


@dataclass(frozen=True)
class FarWeights:
    """Weights that lie in the host's memory.

    Attributes:
        near_bytes, far_bytes: of the weights on the device, and of those that are not.
        window_bytes: of the device, that they pass through.
        copies, moved_bytes: in one run of the largest entry.
    """

    near_bytes: int
    far_bytes: int
    window_bytes: int
    copies: int
    moved_bytes: int

    def text(self) -> str:
        """A line for people."""
        return (
            f"{units.size(self.near_bytes)} of weights on the device, {units.size(self.far_bytes)} in the "
            f"host's memory: a run brings {units.size(self.moved_bytes)} in {self.copies} copies, through "
            f"{units.size(self.window_bytes)}"
        )

    def to_json(self) -> dict[str, Any]:
        """The figures by name."""
        return asdict(self)


def read_far(bundle: BundleFiles) -> FarWeights | None:
    """What of a bundle's weights lies in the host's memory, None where all are on the device.

    Raises:
        BundleError: no launch list, or a corrupt one.
    """
    facts = bundle.manifest["backends"].get(BACKEND)
    plan = bundle.json(facts["plan"]) if facts is not None else {}
    if not plan.get("far_bytes"):
        return None
    try:
        most = max(plan["entries"].values(), key=lambda entry: len(entry["steps"]))
        copies = [step["bytes"] for step in most["steps"] if step["kind"] == "fetch"]
        near, window = (plan["sections"][name][1] for name in ("weights", "window"))
        return FarWeights(near, plan["far_bytes"], window, len(copies), sum(copies))
    except (KeyError, TypeError, ValueError) as error:
        where = str(bundle.path / facts["plan"]) if facts is not None else ""
        raise BundleError(f"not a launch list: {error}", where=where, accepted="compile again") from error


def _kernel(name: str, data: Mapping[str, Any], runs: int) -> GpuKernel:
    x, y, z = data["grid"]
    across, down, deep = data["block"]
    used = data["resources"]
    return GpuKernel(
        name,
        data["note"],
        x * y * z,
        across * down * deep,
        used["registers"],
        used["spill_bytes"],
        data["shared_bytes"] + used["static_shared_bytes"],
        runs,
    )


def section(kernels: tuple[GpuKernel, ...]) -> str:
    """The page's table."""
    return table(COLUMNS, [kernel.cells() for kernel in kernels])
