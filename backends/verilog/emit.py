"""A linear layer as a directory of SystemVerilog: design sources, a top, memory images, a driver, a README.

The operands are the layer's own: quantized weights and real activations. Nothing in the directory refers to
anything outside of it.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import tempfile
from importlib import resources
from pathlib import Path
from string import Template

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ... import rtl
from ...ir.bitmod_format import BitmodWeights
from ...ir.errors import BundleError, InputError
from ...sim.cost.bitmod import BitmodArray, LinearCycles, linear_cycles
from .images import activation_words, hex_image, special_terms, weight_words

SCHEMA = 1
EINSUM = "Out[t, n] = sum[d] mul(X[t, d], W[n, d]) + bias[n]"
ACTIVATION_BUFFER_BYTES = 512 * 1024
"""The paper's activation buffer (section IV-C); longer layers run in chunks of tokens that fit."""
RTL_FOLDERS = ("common", "bitmod")
SHAPE_LIMIT = 1 << 16


class _Template(Template):
    delimiter = "@"


def emit(
    directory: str | os.PathLike[str],
    layer: str,
    quantized: BitmodWeights,
    weights: ArrayLike,
    bias: ArrayLike | None,
    activations: ArrayLike,
    *,
    rows: int = 8,
    cols: int = 8,
) -> Path:
    """Write the directory, all of it or nothing.

    Args:
        directory: where; it must not exist yet, or be empty.
        layer: the layer's name, for file headers and the top module's name.
        quantized: the weights as `penstock.passes.quantize.quantize` gives them, ``[N, D]``.
        weights: the float weights they came from, ``[N, D]``, for the error report.
        bias: ``[N]``, or None.
        activations: ``[T, D]``, FP16 (floats are rounded to it); infinities and NaNs are allowed.
        rows: tokens the array works on at once, 1 to 44.
        cols: output channels it works on at once.

    Returns:
        The directory.

    Raises:
        InputError: shapes that do not fit together or the array.
        BundleError: the directory cannot be written.
    """
    operands = _operands(quantized, weights, bias, activations)
    if not (1 <= rows <= 44 and 1 <= cols <= 64):
        raise InputError(f"no array of {rows} rows × {cols} columns", accepted="1..44 rows, 1..64 columns")
    tokens = len(operands["activations"])
    array = BitmodArray(rows, cols, _chunk(tokens, rows, quantized.groups), quantized.groups)
    cycles = linear_cycles(array, tokens, quantized.channels, quantized.inputs)
    files = _files(layer, quantized, operands, array, cycles)
    return _write(Path(directory), files)


def _operands(
    quantized: BitmodWeights, weights: ArrayLike, bias: ArrayLike | None, activations: ArrayLike
) -> dict[str, NDArray]:
    """The operands as arrays, checked against each other."""
    channels, inputs = quantized.channels, quantized.inputs
    floats = np.asarray(weights, np.float32)
    offset = np.zeros(channels, np.float32) if bias is None else np.asarray(bias, np.float32)
    with np.errstate(over="ignore"):
        acts = np.asarray(activations).astype(np.float16)
    if floats.shape != (channels, inputs):
        raise InputError(f"weights {list(floats.shape)} were not quantized to [{channels}, {inputs}]")
    if offset.shape != (channels,):
        raise InputError(f"bias of shape {list(offset.shape)}", accepted=f"[{channels}]")
    if acts.ndim != 2 or acts.shape[1] != inputs or not len(acts):
        raise InputError(f"activations of shape {list(acts.shape)}", accepted=f"[T, {inputs}], T at least 1")
    if max(len(acts), channels) >= SHAPE_LIMIT:
        raise InputError(
            f"{len(acts)} tokens, {channels} channels", accepted=f"less than {SHAPE_LIMIT} of each"
        )
    return {
        "codes": quantized.codes,
        "special": quantized.special,
        "group_scale": quantized.group_scale,
        "channel_scale": quantized.channel_scale,
        "bias": offset,
        "activations": acts,
        "weights": floats,
    }


def _chunk(tokens: int, rows: int, groups: int) -> int:
    """Tokens of the activation buffer: all of them where they fit, a multiple of ``rows``."""
    fitting = ACTIVATION_BUFFER_BYTES // (groups * 256) // rows * rows
    if not fitting:
        raise InputError(
            f"{rows} tokens of {groups * 128} inputs do not fit the activation buffer of "
            f"{ACTIVATION_BUFFER_BYTES} bytes",
            accepted="fewer rows or inputs",
        )
    return min(fitting, -(-tokens // rows) * rows)


def _files(
    layer: str,
    quantized: BitmodWeights,
    operands: dict[str, NDArray],
    array: BitmodArray,
    cycles: LinearCycles,
) -> dict[str, bytes]:
    """Relative path → content."""
    tokens = len(operands["activations"])
    top = re.sub(r"\W+", "_", layer).strip("_").lower() + "_top"
    if top[0].isdigit():
        top = f"layer_{top}"
    design, bound = rtl.sources(*RTL_FOLDERS), rtl.properties(*RTL_FOLDERS)
    sources = [f"rtl/{name}" for name in (*design, f"{top}.sv")]
    names = {
        "layer": layer,
        "einsum": EINSUM,
        "top": top,
        "tokens": tokens,
        "channels": quantized.channels,
        "inputs": quantized.inputs,
        "groups": quantized.groups,
        "rows": array.rows,
        "cols": array.cols,
        "max_tokens": array.max_tokens,
        "format": quantized.format.name,
        "bits": f"{quantized.stored_bits / (quantized.channels * quantized.inputs):.3f}",
        "specials": ", ".join(f"{value / 2:+g}" for value in quantized.format.specials),
        "special_terms": f"{special_terms(quantized):08x}",
        "cycles": cycles.total,
        "out_msb": 32 * array.cols - 1,
        "keep_msb": array.cols - 1,
        "result_words": cycles.result_words,
        "weight_passes": -(-tokens // array.max_tokens),
        "source_list": " ".join(sources),
    }
    described = {
        "schema": SCHEMA,
        "design": "bitmod_linear",
        "layer": layer,
        "einsum": EINSUM,
        "format": quantized.format.name,
        "specials": list(quantized.format.specials),
        "shape": {"tokens": tokens, "channels": quantized.channels, "inputs": quantized.inputs},
        "array": {
            "rows": array.rows,
            "cols": array.cols,
            "max_tokens": array.max_tokens,
            "max_groups": array.max_groups,
        },
        "top": top,
        "sources": sources,
        "properties": [f"rtl/{name}" for name in bound],
        "driver": "sim_main.cpp",
        "trace": "trace.vlt",
        "weights": "weights.hex",
        "activations": "activations.hex",
        "operands": "operands.npz",
        "cycles": cycles.to_json(),
    }
    texts = {f"rtl/{name}": text for name, text in {**design, **bound}.items()}
    texts[f"rtl/{top}.sv"] = _fill("top.sv", names)
    texts["sim_main.cpp"] = _fill("sim_main.cpp", names)
    texts["trace.vlt"] = _fill("trace.vlt", names)
    texts["README.md"] = _fill("README.md", names)
    texts["weights.hex"] = hex_image(
        weight_words(quantized, operands["bias"]),
        (f"{layer}: W[n, d] and bias[n], {quantized.format.name}", "a channel after the other"),
    )
    texts["activations.hex"] = hex_image(
        activation_words(operands["activations"], quantized.groups),
        (f"{layer}: X[t, d], FP16, four to a word, first in the low bits", "a token after the other"),
    )
    texts["design.json"] = json.dumps(described, indent=2) + "\n"
    packed = io.BytesIO()
    np.savez(packed, allow_pickle=False, **operands)
    return {**{name: text.encode() for name, text in texts.items()}, "operands.npz": packed.getvalue()}


def _fill(template: str, names: dict[str, object]) -> str:
    text = (resources.files(__name__.rpartition(".")[0]) / "templates" / template).read_text(encoding="utf-8")
    return _Template(text).substitute(names)


def _write(directory: Path, files: dict[str, bytes]) -> Path:
    """Write beside the directory, then rename; a failure leaves nothing behind."""
    scratch: Path | None = None
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=directory.parent, prefix=f".{directory.name}-"))
        for name, content in files.items():
            (scratch / name).parent.mkdir(exist_ok=True)
            (scratch / name).write_bytes(content)
        scratch.chmod(0o755)
        os.rename(scratch, directory)
    except OSError as error:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)
        raise BundleError(
            f"cannot write: {error.strerror or error}",
            where=str(directory),
            accepted="a new or empty directory",
        ) from error
    return directory
