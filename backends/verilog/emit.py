"""Linear layers as a directory: the BitMoD accelerator, a top, a memory image, a driver, a README.

The operands are the layers' own: quantized weights and real activations. Nothing in the directory refers to
anything outside of it.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ... import rtl
from ...ir.errors import InputError
from ...sim.cost.bitmod_accel import Accelerator, ChainCycles, chain_cycles
from ...sim.rtl.bitmod_oracle import ACC_WIDTH, Rounding
from .folder import fill, module_name, write
from .memory import BASE, Linear, Memory, memory

SCHEMA = 1
KIND = "bitmod_accel"
EINSUM = "Out[t, n] = sum[d] mul(X[t, d], W[n, d]) + bias[n]"
DRIVER = "sim_main.cpp"
RTL_FOLDERS = ("common", "bitmod")
OPERANDS = ("codes", "special", "group_scale", "channel_scale")


def emit(
    directory: str | os.PathLike[str],
    name: str,
    linears: Sequence[Linear],
    accelerator: Accelerator,
    *,
    latency: int = 80,
    rounding: Rounding = "nearest-even",
    acc_width: int = ACC_WIDTH,
) -> Path:
    """Write the directory, all of it or nothing.

    Args:
        directory: where; it must not exist yet, or be empty.
        name: the part of the model, for file headers and the top module's name.
        linears: the layers, run in this order.
        accelerator: its parameters.
        latency: cycles the memory takes to answer in simulation.
        rounding: what its elements do with bits that do not fit; the published RTL truncates.
        acc_width: bits of an element's sum, its sign included, 12 to 18.

    Returns:
        The directory.

    Raises:
        InputError: no layers, one that does not fit the buffers, or an accelerator that cannot be built.
        BundleError: the directory cannot be written.
    """
    _check(accelerator, acc_width)
    if not linears:
        raise InputError("no layers to emit", where=name, accepted="at least one")
    for each in linears:
        each.fits(accelerator)
    placed = memory(linears)
    cycles = chain_cycles(accelerator, placed.layers, latency=latency, base=BASE)
    element = {"rounding": rounding, "acc_width": acc_width}
    return write(Path(directory), _files(name, linears, placed, accelerator, latency, cycles, element))


def _check(accelerator: Accelerator, acc_width: int) -> None:
    if not 1 <= accelerator.max_burst <= min(256, accelerator.queue_depth):
        raise InputError(
            f"bursts of {accelerator.max_burst} beats, queues of {accelerator.queue_depth} words",
            accepted="bursts of 1..256 that fit the queues",
        )
    if not 12 <= acc_width <= 18:
        raise InputError(f"accumulators of {acc_width} bits", accepted="12..18")


def _files(
    name: str,
    linears: Sequence[Linear],
    placed: Memory,
    accelerator: Accelerator,
    latency: int,
    cycles: ChainCycles,
    element: dict[str, str | int],
) -> dict[str, bytes]:
    """Relative path → content."""
    top = module_name(name)
    design, bound = rtl.sources(*RTL_FOLDERS), rtl.properties(*RTL_FOLDERS)
    sources = [f"rtl/{each}" for each in (*design, f"{top}.sv")]
    described = {
        "schema": SCHEMA,
        "design": KIND,
        "layer": name,
        "einsum": EINSUM,
        **element,
        "accelerator": accelerator.to_json(),
        "memory": {
            "base": BASE,
            "image": "memory.bin",
            "sha256": hashlib.sha256(placed.image).hexdigest(),
            "results": placed.results,
            "end": placed.end,
            "latency": latency,
        },
        "layers": [
            {
                "name": each.name,
                "format": each.quantized.format.name,
                "specials": list(each.quantized.format.specials),
                "tokens": layer.tokens,
                "channels": layer.channels,
                "inputs": layer.inputs,
                "weights": layer.weights,
                "activations": layer.activations,
                "results": layer.results,
                "fence": layer.fence,
            }
            for each, layer in zip(linears, placed.layers, strict=True)
        ],
        "top": top,
        "sources": sources,
        "properties": [f"rtl/{each}" for each in bound],
        "driver": DRIVER,
        "trace": "trace.vlt",
        "operands": "operands.npz",
        "cycles": cycles.to_json(),
    }
    names = _names(name, linears, placed, accelerator, latency, cycles, element)
    names |= {"top": top, "source_list": " ".join(sources)}
    texts = {f"rtl/{each}": text for each, text in {**design, **bound}.items()}
    texts[f"rtl/{top}.sv"] = fill("bitmod/top.sv", names)
    texts[DRIVER] = fill("bitmod/sim_main.cpp", names)
    texts["trace.vlt"] = fill("bitmod/trace.vlt", names)
    texts["README.md"] = fill("bitmod/README.md", names)
    texts["design.json"] = json.dumps(described, indent=2) + "\n"
    files = {path: text.encode() for path, text in texts.items()}
    return {**files, "memory.bin": placed.image, "operands.npz": _operands(linears)}


def _operands(linears: Sequence[Linear]) -> bytes:
    """The arrays of every layer, named ``{number}.{what}``."""
    arrays = {}
    for number, each in enumerate(linears):
        held = {name: getattr(each.quantized, name) for name in OPERANDS}
        held |= {"bias": each.bias, "activations": each.activations, "weights": each.weights}
        arrays |= {f"{number}.{name}": array for name, array in held.items()}
    packed = io.BytesIO()
    np.savez(packed, allow_pickle=False, **arrays)
    return packed.getvalue()


def _names(
    name: str,
    linears: Sequence[Linear],
    placed: Memory,
    accelerator: Accelerator,
    latency: int,
    cycles: ChainCycles,
    element: dict[str, str | int],
) -> dict[str, object]:
    """What the templates name."""
    array = accelerator.array
    rows = [
        (
            number,
            each.name,
            each.quantized.format.name,
            f"{layer.tokens} × {layer.channels} × {layer.inputs}",
            *(f"0x{address:x}" for address in (layer.weights, layer.activations, layer.results)),
            share.cycles,
        )
        for number, (each, layer, share) in enumerate(zip(linears, placed.layers, cycles.layers, strict=True))
    ]
    return {
        "layer": name,
        "einsum": EINSUM,
        "count": len(linears),
        "rows": array.rows,
        "cols": array.cols,
        "row_tiles": array.row_tiles,
        "col_tiles": array.col_tiles,
        "lanes": array.lanes,
        "all_rows": array.all_rows,
        "all_cols": array.all_cols,
        "max_tokens": array.max_tokens,
        "max_groups": array.max_groups,
        "max_burst": accelerator.max_burst,
        "queue_depth": accelerator.queue_depth,
        "acc_width": element["acc_width"],
        "truncate": int(element["rounding"] == "truncate"),
        "latency": latency,
        "cycles": cycles.total,
        "base": f"{BASE:x}",
        "results": f"{placed.results:x}",
        "end": f"{placed.end:x}",
        "table": "\n".join("| " + " | ".join(map(str, row)) + " |" for row in rows),
        "listing": "\n".join(f"//   {row[0]}  {row[1]}: {row[3]}, {row[2]}" for row in rows),
        "ends": ",\n".join(
            f'    {{"{each.name}", 0x{layer.results:x}, {4 * layer.tokens * layer.channels}}}'
            for each, layer in zip(linears, placed.layers, strict=True)
        ),
    }
