"""The CUDA part of a bundle: sources, cubins, the launch list, weights as the kernels read them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from ...ir.bundle import BundleWriter
from ...ir.entries import read_entries
from ...ir.errors import PassError
from ...ir.mlir import ir
from .cubins import Compiled, Compiler, compile_source, headers
from .emit import Emitted, emit
from .far import FAR, Streaming, divide
from .kernel import Arch, Kernel
from .lanes import check, in_lanes
from .moves import tier_text
from .plan import EntryPlan, KernelFacts, Plan, Step, aligned
from .resources import Resources
from .unroll import Sections, sections, unroll
from .weights import Stored, codes_of, store

FOLDER = "cuda"
PLAN = f"{FOLDER}/plan.json"
MOST_SHARED = 227 * 1024
"""Bytes of shared memory a block may have where most is to be had (compute capability 9.0 and 10.0)."""


def build(
    module: ir.Module,
    params: Mapping[str, NDArray],
    writer: BundleWriter,
    arch: Arch,
    compiler: Compiler,
    room: Room | None = None,
) -> dict[str, Any]:
    """Compile a placed module for a GPU into a bundle being written.

    Writes ``weights.safetensors`` and the folder ``cuda``: a source and a cubin per kernel, the headers that
    sources include, ``plan.json``, and where weights lie in the host's memory ``ENTRY.tiers.mlir``.

    Args:
        module: placed; entries are its public functions.
        params: values of the arguments of kind ``param``, by name; quantized ones as their stored arrays.
        writer: of the bundle.
        arch: what to compile for.
        compiler: of the sources.
        room: what the device has; weights that do not fit lie in the host's memory.

    Returns:
        What the loader needs, for ``backends.cuda`` in the manifest.

    Raises:
        UnsupportedOps: operations without kernels, all at once.
        PassError: a kernel does not compile cleanly, or spills registers.
        PlanError: there is no room for what a step needs.
    """
    emitted = emit(module, arch)
    stored, laid, lists = _laid_out(module, emitted, params, room)
    compiled = compile_kernels(emitted.kernels, arch, compiler)
    facts = {
        name: KernelFacts(kernel, f"{FOLDER}/{name}.cubin", compiled[name].resources[name])
        for name, kernel in emitted.kernels.items()
    }
    plan = Plan(arch, laid.bytes, laid.places, facts, lists, stored.bytes - stored.near)
    check(plan)
    if plan.far_bytes:
        for name, entry in plan.entries.items():
            writer.write_text(
                f"{FOLDER}/{name}.tiers.mlir", tier_text(name, entry.steps, plan.sections["window"])
            )
    writer.write_weights({**stored.arrays, **codes_of(module, params)})
    for name, text in headers().items():
        writer.write_text(f"{FOLDER}/include/{name}", text)
    for name, kernel in emitted.kernels.items():
        writer.write_text(f"{FOLDER}/{name}.cu", kernel.source)
        writer.path(f"{FOLDER}/{name}.cubin").write_bytes(compiled[name].cubin)
    writer.write_json(PLAN, plan.to_json())
    return {"plan": PLAN, "arch": arch}


@dataclass(frozen=True)
class Room:
    """Bytes of a device's memory, and what it is called."""

    bytes: int
    name: str


def _laid_out(
    module: ir.Module, emitted: Emitted, params: Mapping[str, NDArray], room: Room | None
) -> tuple[Stored, Sections, dict[str, EntryPlan]]:
    """Weights, sections and launch lists; with weights in the host's memory where the device has no room."""
    stored, entries = store(module, emitted, params), read_entries(module)
    laid = sections(module, emitted, stored.near, entries)
    if room is None or laid.bytes <= room.bytes:
        return stored, laid, unroll(module, emitted, laid, stored.places, entries)
    sizes = stored.sizes()
    all_far = {key: FAR + start for key, start in stored.places.items()}
    plain = unroll(module, emitted, laid, all_far, entries, order=tuple)
    left = room.bytes - (laid.bytes - aligned(stored.near))
    made = divide([entry.steps for entry in plain.values()], sizes, left, room.name)
    stored = stored.divided(made.near)
    laid = sections(module, emitted, stored.near, entries, made.window)
    far = {start - stored.near: size for start, size in stored.sizes().items() if start >= stored.near}
    stream = Streaming(laid.start("window"), made.window, far, made.hold)

    def order(steps: Sequence[Step]) -> tuple[Step, ...]:
        return in_lanes(stream(steps))

    return stored, laid, unroll(module, emitted, laid, stored.places, entries, order)


def compile_kernels(
    kernels: Mapping[str, Kernel], arch: str, compiler: Compiler | None = None
) -> dict[str, Compiled]:
    """Compile kernels, on several cores, and hold them to what a launch needs.

    Raises:
        PassError: one does not compile cleanly, spills, or asks for more than a multiprocessor has.
    """
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        made = pool.map(
            lambda kernel: compile_source(kernel.name, kernel.source, arch, compiler), kernels.values()
        )
        compiled = dict(zip(kernels, made, strict=True))
    for name, kernel in kernels.items():
        hold(kernel, compiled[name].resources[name], arch)
    return compiled


def hold(kernel: Kernel, resources: Resources, arch: str) -> None:
    """Hold a compiled kernel to its launch.

    Raises:
        PassError: registers are spilled, or a block does not fit on a multiprocessor.
    """
    where = f"{kernel.name} for {arch}"
    if resources.spill_bytes:
        raise PassError(f"spills {resources.spill_bytes} bytes of registers", where=where)
    shared = kernel.shared_bytes + resources.static_shared_bytes
    if shared > MOST_SHARED:
        raise PassError(f"{shared} bytes of shared memory", where=where, accepted=f"at most {MOST_SHARED}")
    threads = kernel.block[0] * kernel.block[1] * kernel.block[2]
    if threads * resources.registers > 1 << 16:
        raise PassError(f"{threads} threads of {resources.registers} registers", where=where)
