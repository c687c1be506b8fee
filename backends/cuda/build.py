"""The CUDA part of a bundle: sources, cubins, the launch list, weights as the kernels read them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from numpy.typing import NDArray

from ...ir.bundle import BundleWriter
from ...ir.entries import read_entries
from ...ir.errors import PassError
from ...ir.mlir import ir
from .cubins import Compiled, Compiler, compile_source, headers
from .emit import emit
from .kernel import Arch, Kernel
from .lanes import check
from .plan import KernelFacts, Plan
from .resources import Resources
from .unroll import sections, unroll
from .weights import codes_of, store

FOLDER = "cuda"
PLAN = f"{FOLDER}/plan.json"
MOST_SHARED = 227 * 1024
"""Bytes of shared memory a block may have where most is to be had (compute capability 9.0 and 10.0)."""


def build(
    module: ir.Module, params: Mapping[str, NDArray], writer: BundleWriter, arch: Arch, compiler: Compiler
) -> dict[str, Any]:
    """Compile a placed module for a GPU into a bundle being written.

    Writes ``weights.safetensors`` and the folder ``cuda``: a source and a cubin per kernel, the headers that
    sources include, and ``plan.json``.

    Args:
        module: placed; entries are its public functions.
        params: values of the arguments of kind ``param``, by name; quantized ones as their stored arrays.
        writer: of the bundle.
        arch: what to compile for.
        compiler: of the sources.

    Returns:
        What the loader needs, for ``backends.cuda`` in the manifest.

    Raises:
        UnsupportedOps: operations without kernels, all at once.
        PassError: a kernel does not compile cleanly, or spills registers.
    """
    emitted = emit(module, arch)
    compiled = compile_kernels(emitted.kernels, arch, compiler)
    stored = store(module, emitted, params)
    entries = read_entries(module)
    laid = sections(module, emitted, stored.bytes, entries)
    facts = {
        name: KernelFacts(kernel, f"{FOLDER}/{name}.cubin", compiled[name].resources[name])
        for name, kernel in emitted.kernels.items()
    }
    plan = Plan(arch, laid.bytes, laid.places, facts, unroll(module, emitted, laid, stored.places, entries))
    check(plan)
    writer.write_weights({**stored.arrays, **codes_of(module, params)})
    for name, text in headers().items():
        writer.write_text(f"{FOLDER}/include/{name}", text)
    for name, kernel in emitted.kernels.items():
        writer.write_text(f"{FOLDER}/{name}.cu", kernel.source)
        writer.path(f"{FOLDER}/{name}.cubin").write_bytes(compiled[name].cubin)
    writer.write_json(PLAN, plan.to_json())
    return {"plan": PLAN, "arch": arch}


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
