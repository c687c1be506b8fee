"""A linear layer as a directory of SystemVerilog: design sources, a top, memory images, a driver, a README.

The operands are the layer's own: quantized weights and real activations. Nothing in the directory refers to
anything outside of it.
"""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ... import rtl
from ...ir.bitmod_format import BitmodWeights, Mode
from ...ir.errors import InputError
from ...sim.cost.bitmod import BitmodArray, LinearCycles, linear_cycles
from ...sim.rtl.bitmod_oracle import ACC_WIDTH, Rounding
from .driver import NAME, Driver, Stream
from .folder import fill, module_name, write
from .images import activation_words, hex_image, special_terms, weight_words

SCHEMA = 1
EINSUM = "Out[t, n] = sum[d] mul(X[t, d], W[n, d]) + bias[n]"
ACTIVATION_BUFFER_BYTES = 512 * 1024
"""The paper's activation buffer (section IV-C); longer layers run in chunks of tokens that fit."""
RTL_FOLDERS = ("common", "bitmod")
SHAPE_LIMIT = 1 << 16

_MODULE_MODES = {Mode.FP: "ModeFp", Mode.INT6: "ModeInt6", Mode.INT8: "ModeInt8"}
_LOW = "eight words of sixteen weights' low four bits, "
_CODE_WORDS = {
    Mode.FP: "eight words of sixteen codes",
    Mode.INT6: _LOW + "four of thirty-two weights' high two",
    Mode.INT8: _LOW + "eight of their high four",
}


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
    rounding: Rounding = "nearest-even",
    acc_width: int = ACC_WIDTH,
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
        rounding: what its elements do with bits that do not fit; the published RTL truncates.
        acc_width: bits of an element's sum, its sign included, 12 to 18.

    Returns:
        The directory.

    Raises:
        InputError: shapes that do not fit together or the array.
        BundleError: the directory cannot be written.
    """
    operands = _operands(quantized, weights, bias, activations)
    if not (1 <= rows <= 44 and 1 <= cols <= 64):
        raise InputError(f"no array of {rows} rows × {cols} columns", accepted="1..44 rows, 1..64 columns")
    if not 12 <= acc_width <= 18:
        raise InputError(f"accumulators of {acc_width} bits", accepted="12..18")
    tokens = len(operands["activations"])
    array = BitmodArray(rows, cols, _chunk(tokens, rows, quantized.groups), quantized.groups)
    cycles = linear_cycles(array, tokens, quantized.channels, quantized.inputs, mode=quantized.format.mode)
    element = {"rounding": rounding, "acc_width": acc_width}
    files = _files(layer, quantized, operands, array, cycles, element)
    return write(Path(directory), files)


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


def _specials(quantized: BitmodWeights) -> str:
    """The special values in words."""
    if quantized.format.mode is not Mode.FP:
        return "Integers have no special values"
    return "Special values " + ", ".join(f"{value / 2:+g}" for value in quantized.format.specials)


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
    element: dict[str, str | int],
) -> dict[str, bytes]:
    """Relative path → content."""
    tokens = len(operands["activations"])
    top = module_name(layer)
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
        "specials": _specials(quantized),
        "mode": _MODULE_MODES[quantized.format.mode],
        "code_words": _CODE_WORDS[quantized.format.mode],
        "truncate": int(element["rounding"] == "truncate"),
        "acc_width": element["acc_width"],
        "special_terms": f"{special_terms(quantized):08x}",
        "cycles": cycles.total,
        "out_msb": 32 * array.cols - 1,
        "keep_msb": array.cols - 1,
        "source_list": " ".join(sources),
    }
    driver = Driver(
        layer,
        EINSUM,
        top,
        streams=[
            Stream("weights", "weight", passes=-(-tokens // array.max_tokens)),  # once per chunk of tokens
            Stream("activations", "act"),
        ],
        figures=("cycles", "nonfinite"),
        result=f"Out[t, n], {array.cols} channels a word",
        word=f"{array.cols} little-endian FP32 values each",
        words=cycles.result_words,
        word_bytes=4 * array.cols,
    )
    described = {
        "schema": SCHEMA,
        "design": "bitmod_linear",
        "layer": layer,
        "einsum": EINSUM,
        "format": quantized.format.name,
        "specials": list(quantized.format.specials),
        **element,
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
        "driver": NAME,
        "trace": "trace.vlt",
        "weights": "weights.hex",
        "activations": "activations.hex",
        "operands": "operands.npz",
        "cycles": cycles.to_json(),
    }
    texts = {f"rtl/{name}": text for name, text in {**design, **bound}.items()}
    texts[f"rtl/{top}.sv"] = fill("bitmod/top.sv", names)
    texts[NAME] = driver.text()
    texts["trace.vlt"] = fill("bitmod/trace.vlt", names)
    texts["README.md"] = fill("bitmod/README.md", names)
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
