"""What a report is made of: the JSON files of one bundle, read and checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...ir.bundle import COST, PLAN, WEIGHTS, BundleFiles, open_bundle
from ...ir.errors import BundleError
from ...ir.signature import Entry
from ..cost.memory_timeline import MemoryTimeline, Placement, memory_timeline
from ..cost.record import CostRecord
from ..rtl.compare import SimResult
from ..rtl.record import runs_from_json
from ..verification import Verification
from .gpu import FarWeights, GpuKernel, read_far, read_kernels
from .maps import MappedEntry, read_maps

VERIFY = "verify.json"
RTL_RUNS = "verilog/sim.json"


@dataclass(frozen=True)
class Memory:
    """The arena of one entry: its buffers, their bytes over the steps, and the planner's certificate."""

    buffers: tuple[Placement, ...]
    series: MemoryTimeline
    lower_bound_bytes: int
    solver: str


@dataclass(frozen=True)
class Contents:
    """One bundle as the report sees it; verification and RTL runs only where they were done.

    Attributes:
        name: the bundle directory's name.
        manifest: its manifest.
        entries: signatures by entry point.
        parameters: number of parameter elements stored; tied ones once.
        parameter_bytes: size of the weights file.
        cost: the cost record.
        memory: the arena of every entry point.
        maps: the memory map of every entry point, where the target has a fast tier.
        oblivious: the tables of a program that looks up by private indices, else None.
        kernels: of a GPU's code.
        far: weights that a GPU has not.
    """

    name: str
    manifest: Mapping[str, Any]
    entries: Mapping[str, Entry]
    parameters: int
    parameter_bytes: int
    cost: CostRecord
    memory: Mapping[str, Memory]
    maps: Mapping[str, MappedEntry]
    verification: Verification | None
    rtl_runs: tuple[SimResult, ...]
    oblivious: Mapping[str, Any] | None = None
    kernels: tuple[GpuKernel, ...] = ()
    far: FarWeights | None = None

    @property
    def model(self) -> str:
        """How the model was named when it was compiled."""
        return str(self.manifest["model"].get("name", self.name))


def read(bundle_dir: str | Path) -> Contents:
    """The contents of a bundle.

    Raises:
        BundleError: no bundle, a corrupt one, or a file of another schema.
    """
    bundle = open_bundle(bundle_dir)
    cost = CostRecord.from_json(bundle.json(COST), where=str(bundle.path / COST))
    parameters, parameter_bytes = _parameters(bundle)
    verified, runs = _optional(bundle, VERIFY), _optional(bundle, RTL_RUNS)
    return Contents(
        name=bundle.path.resolve().name,
        manifest=bundle.manifest,
        entries=bundle.entries,
        parameters=parameters,
        parameter_bytes=parameter_bytes,
        cost=cost,
        memory=_memory(bundle),
        maps=read_maps(bundle),
        verification=Verification.from_json(verified, str(bundle.path / VERIFY)) if verified else None,
        rtl_runs=runs_from_json(runs, str(bundle.path / RTL_RUNS)) if runs else (),
        oblivious=_oblivious(bundle),
        kernels=read_kernels(bundle),
        far=read_far(bundle),
    )


def _oblivious(bundle: BundleFiles) -> Mapping[str, Any] | None:
    facts = bundle.manifest["backends"].get("cpu")
    tables = bundle.json(facts["program"]) if facts else {}
    return tables if "map" in tables else None


def _parameters(bundle: BundleFiles) -> tuple[int, int]:
    """Elements and bytes of the weights file; the count of the model itself where the manifest has one."""
    if WEIGHTS not in bundle.manifest["files"]:
        return int(bundle.manifest["model"].get("parameters", 0)), 0
    arrays = bundle.weights().arrays.values()
    stored = sum(array.size for array in arrays)
    return int(bundle.manifest["model"].get("parameters", stored)), sum(array.nbytes for array in arrays)


def _memory(bundle: BundleFiles) -> dict[str, Memory]:
    plan = bundle.json(PLAN)
    try:
        return {
            name: _arena(entry, plan["functions"][name]["solver"]) for name, entry in plan["entries"].items()
        }
    except (KeyError, TypeError) as error:
        raise BundleError(
            f"not a memory plan: {error}", where=str(bundle.path / PLAN), accepted="compile again"
        ) from error


def _arena(entry: Mapping[str, Any], solver: str) -> Memory:
    buffers = tuple(Placement(**buffer) for buffer in entry["buffers"])
    series = memory_timeline(buffers, steps=len(entry["steps"]))
    return Memory(buffers, series, entry["lower_bound_bytes"], solver)


def _optional(bundle: BundleFiles, relative: str) -> dict[str, Any] | None:
    """A JSON file that a later command may have left in the bundle; it is not under the manifest's seal."""
    path = bundle.path / relative
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(f"cannot be read: {error}", where=str(path), accepted="make it again") from error
