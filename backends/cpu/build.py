"""The CPU part of a bundle: kernels to an object, weights to their layouts, the program to a library."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from importlib import resources
from typing import Any

import numpy as np

from ...ir.bundle import BundleWriter
from ...ir.mlir import ir
from ...ir.native import c_compiler, run_compiler
from ...ir.quantized import PARTS, Dequantized
from ...ir.weights import offsets_of
from .groups import Groups, find_groups
from .isa import Isa, host_isa
from .kernels import Image
from .layouts import Layout, StoredWeights, demands, store_weights
from .objects import Lowering
from .oblivious import SOURCES as LOOKUP_SOURCES
from .oblivious import lookups
from .oblivious import tables as lookup_tables
from .packed.library import HEADERS as PACKED_HEADERS
from .packed.library import KERNELS as PACKED_KERNELS
from .program import Program, write_program

FOLDER = "cpu"
PROGRAM = "cpu/program.json"
_RUNTIME = ("runtime.h", "team.c", "observe.c")
# Packed kernels are written for -O3; contraction would make their variants differ.
_FLAGS = ("-std=c11", "-O3", "-ffp-contract=off", "-fPIC", "-shared", "-pthread")


def build(
    module: ir.Module,
    params: Mapping[str, np.ndarray],
    writer: BundleWriter,
    *,
    isa: Isa | None = None,
    title: str = "a model",
) -> dict[str, Any]:
    """Compile a placed module for the CPU into a bundle being written.

    Writes ``weights.safetensors`` and the folder ``cpu``: the library, all sources needed to build it
    elsewhere, and ``program.json`` (steps, calls, kernels, weights).

    Args:
        module: placed; entries are its public functions.
        params: values of the arguments of kind ``param``, by name; quantized ones as their stored arrays
            (``NAME.codes`` …), which the bundle keeps beside the floats that kernels read, or as the image
            that packed kernels read.
        writer: of the bundle.
        isa: instruction set; the host's when None.
        title: what the program is called in its first line.

    Returns:
        What the loader needs, for ``backends.cpu`` in the manifest.

    Raises:
        ToolMissing: there is no C compiler.
        PassError: a group cannot be compiled.
        InputError: a parameter is missing or does not fit.
    """
    compiler = c_compiler()
    wide = isa or host_isa()
    groups = find_groups(module, wide)
    wanted = demands(module, groups.kernels, groups.used)
    texts = [kernel.mlir for kernel in groups.kernels.values() if not kernel.source]
    with Lowering(texts, wide) as lowering:
        floats = Dequantized(module, params)
        stored = store_weights(module, wanted, floats, params)
        images = whole_images(stored)
        packed = {f"{name}.{part}" for name in images for part in PARTS}
        codes = {name: array for name, array in params.items() if name not in floats and name not in packed}
        writer.write_weights({**stored.arrays, **codes})
        program = write_program(module, groups, wanted, _offsets(stored), title)
        objects = lowering.finish()
    asks = bool(lookups(module))
    library = _compile(compiler, writer, groups, program, objects, wide, asks)
    named = {name: array for (name, layout), array in stored.stored_as.items() if layout is None}
    tables = {**_tables(groups, program, stored, images), **lookup_tables(module, named)}
    writer.write_json(PROGRAM, tables)
    return {"library": library, "program": PROGRAM, "isa": wide.name, "entries": dict(program.entries)}


def whole_images(stored: StoredWeights) -> dict[str, str]:
    """Quantized parameters that are stored as one image of all their rows, and what it is called."""
    return {
        name: array
        for (name, layout), array in stored.stored_as.items()
        if isinstance(layout, Layout)
        and isinstance(spec := layout.pack, Image)
        and spec.first == 0
        and spec.rows == math.prod(layout.shape[axis] for axis in spec.mark.channels)
    }


def _offsets(stored: StoredWeights) -> dict[tuple[str, Any], tuple[str, int]]:
    offsets = offsets_of(stored.arrays)
    return {key: (name, offsets[name]) for key, name in stored.stored_as.items()}


def _compile(
    compiler: str,
    writer: BundleWriter,
    groups: Groups,
    program: Program,
    objects: list[bytes],
    isa: Isa,
    asks: bool,
) -> str:
    """Write and compile the sources; the library's path in the bundle. `asks`: rows are looked up.

    The library's name holds its hash: a process that has an older one of the same path loaded would
    otherwise be given that one again.
    """
    digest = hashlib.sha256(b"".join([program.text.encode(), *objects])).hexdigest()[:12]
    writer.write_text(f"{FOLDER}/program.c", program.text)
    writer.write_text(f"{FOLDER}/program.h", program.header)
    texts = [kernel.mlir for kernel in groups.kernels.values() if not kernel.source]
    writer.write_text(f"{FOLDER}/kernels.mlir", "\n\n".join(texts) + "\n")
    names = [f"kernels{number}.o" for number in range(len(objects))]
    for name, code in zip(names, objects, strict=True):
        writer.path(f"{FOLDER}/{name}").write_bytes(code)
    here = resources.files(__name__.rpartition(".")[0])
    needed = {name: here / "runtime" / name for name in _RUNTIME}
    if any(kernel.packed for kernel in groups.kernels.values()):
        needed |= {name: here / "packed" / name for name in (*PACKED_KERNELS, *PACKED_HEADERS)}
    if asks:
        needed |= {name: here / "runtime" / name for name in LOOKUP_SOURCES}
    for name, source in needed.items():
        writer.write_text(f"{FOLDER}/{name}", source.read_text())
    sources = ["program.c", *(name for name in needed if name.endswith(".c")), *names]
    library = f"program-{digest}.so"
    arguments = [*_FLAGS, "-o", library, *sources, "-lm"]
    writer.write_text(
        f"{FOLDER}/build.sh",
        "#!/bin/sh\n# kernels*.o are kernels.mlir lowered by MLIR and "
        f"LLVM for {isa.cpu} {isa.features}.\nexec cc {' '.join(arguments)}\n",
    )
    run_compiler([compiler, *arguments], writer.path(f"{FOLDER}/program.c").parent)
    return f"{FOLDER}/{library}"


def _tables(
    groups: Groups, program: Program, stored: StoredWeights, images: Mapping[str, str]
) -> dict[str, Any]:
    """What is known about the program, for probes, profiles and reports."""
    return {
        "steps": list(program.steps),
        "calls": list(program.calls),
        "workspace": dict(program.workspace),
        "kernels": {
            symbol: {
                "einsums": list(groups.einsums[symbol]),
                "scratch_bytes": kernel.scratch_bytes,
                "shared_bytes": kernel.shared_bytes,
            }
            for symbol, kernel in groups.kernels.items()
        },
        "weights": {name: array.nbytes for name, array in stored.arrays.items()},
        "packed": any(kernel.packed for kernel in groups.kernels.values()),
        "images": dict(images),
    }
