"""One attention head as a directory of SystemVerilog: array, program, streams, a driver, a README.

The operands are the head's own queries, keys and values. Nothing in the directory refers to anything outside.
"""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .... import rtl
from ....ir.errors import InputError
from ....ir.schedule import Schedule
from ....sim.cost.spatial.epochs import EpochCycles, epoch_cycles
from ....sim.cost.spatial.tiling import Tiling
from ..driver import NAME, Driver, Stream
from ..folder import fill, module_name, write
from ..images import hex_image
from .images import stream_words, word_digits
from .program import LANE_REGISTERS, WORD_BITS, Program, lower

SCHEMA = 1
KIND = "fusemax_attention"
EINSUM = "AV[p, f] = sum[m] softmax[m](sum[e] mul(Q[p, e], K[m, e])) V[m, f]"
RTL_FOLDERS = ("common", "fusemax")
FIGURES = ("cycles", "stall_cycles", "busy_2d", "busy_1d")


def emit_attention(
    directory: str | os.PathLike[str],
    layer: str,
    schedule: Schedule,
    q: ArrayLike,
    k: ArrayLike,
    v: ArrayLike,
    *,
    rows: int,
    cols: int,
    scale: float = 1.0,
    most_p1: int = 32,
    chart: str = "",
) -> Path:
    """Write the directory, all of it or nothing.

    Args:
        directory: where; it must not exist yet, or be empty.
        layer: the head's name, for file headers and the top module's name.
        schedule: of one tile of the one-pass cascade, on an array of this shape.
        q: queries ``[P, E]``.
        k: keys ``[M, E]``.
        v: values ``[M, F]``.
        rows: keys of a tile, rows of the array, 2 to 16.
        cols: queries of a tile, columns of the array, 2 to 16.
        scale: what the scores are multiplied by; it goes into the queries before they are rounded to FP16.
        most_p1: query tiles whose running state the array can hold at once.
        chart: the schedule drawn, for the README.

    Returns:
        The directory.

    Raises:
        InputError: shapes that do not fit together or the array.
        PlanError: a schedule that the array cannot run.
        BundleError: the directory cannot be written.
    """
    floats = {name: np.asarray(each, np.float32) for name, each in (("q", q), ("k", k), ("v", v))}
    _check_shapes(floats)
    floats["q"] = floats["q"] * np.float32(scale)
    (queries, e), (keys, f) = floats["q"].shape, floats["v"].shape
    tiling = Tiling.of(rows, cols, e, f, queries=queries, keys=keys, most_p1=most_p1)
    program = lower(schedule, tiling)
    cycles = epoch_cycles(schedule, tiling.epoch_shape)
    with np.errstate(over="ignore"):
        halves = {name: each.astype(np.float16) for name, each in floats.items()}
    operands = {**halves, **{f"{name}_float": each for name, each in floats.items()}}
    files = _files(layer, schedule, tiling, program, cycles, operands, chart)
    return write(Path(directory), files)


def _check_shapes(operands: dict[str, NDArray[np.float32]]) -> None:
    shapes = {name: list(each.shape) for name, each in operands.items()}
    q, k, v = shapes.values()
    if not (len(q) == len(k) == len(v) == 2 and q[1] == k[1] and k[0] == v[0] and 0 not in (*q, *k, *v)):
        told = ", ".join(f"{name.upper()} {shape}" for name, shape in shapes.items())
        raise InputError(f"no attention head of {told}", accepted="Q [P, E], K [M, E], V [M, F]")


def _files(
    layer: str,
    schedule: Schedule,
    tiling: Tiling,
    program: Program,
    cycles: EpochCycles,
    operands: dict[str, NDArray],
    chart: str,
) -> dict[str, bytes]:
    """Relative path → content."""
    top = module_name(layer)
    design, bound = rtl.sources(*RTL_FOLDERS), rtl.properties(*RTL_FOLDERS)
    sources = [f"rtl/{name}" for name in (*design, f"{top}.sv")]
    streams = (Stream("program", "prog", before_start=True), Stream("inputs", "in"))
    word_bytes = 2 * tiling.cols
    driver = Driver(
        layer,
        EINSUM,
        top,
        streams=streams,
        figures=FIGURES,
        result=f"AV[p, f], {tiling.cols} queries a word",
        word=f"{tiling.cols} little-endian FP16 values each",
        words=tiling.blocks * tiling.p1 * tiling.f,
        word_bytes=word_bytes,
    )
    described = {
        "schema": SCHEMA,
        "design": KIND,
        "layer": layer,
        "einsum": EINSUM,
        "tiling": tiling.to_json(),
        "top": top,
        "sources": sources,
        "properties": [f"rtl/{name}" for name in bound],
        "driver": NAME,
        "trace": "trace.vlt",
        **{each.name: f"{each.name}.hex" for each in streams},
        "listing": "program.txt",
        "operands": "operands.npz",
        "registers": {
            name: {value: [place.address, place.rotates] for value, place in places.items()}
            for name, places in (("array", program.registers), ("row", program.lanes))
        },
        "schedule": schedule.to_json(),
        "cycles": cycles.to_json(),
    }
    names = _names(layer, schedule, tiling, program, cycles, top, sources, chart)
    texts = {f"rtl/{name}": text for name, text in {**design, **bound}.items()}
    texts[f"rtl/{top}.sv"] = fill("fusemax/top.sv", names)
    texts[NAME] = driver.text()
    texts["trace.vlt"] = fill("fusemax/trace.vlt", names)
    texts["README.md"] = fill("fusemax/README.md", names)
    texts["program.txt"] = program.listing
    texts["program.hex"] = hex_image(
        program.words,
        (f"{layer}: the epoch, a word a cycle", "1D micro-operation [71:32], 2D micro-operation [31:0]"),
        WORD_BITS // 4,
    )
    texts["inputs.hex"] = hex_image(
        stream_words(tiling, operands["q"], operands["k"], operands["v"]),
        (f"{layer}: Q, then K and V tile by tile, FP16", "element 0 in the low bits, e or f innermost"),
        word_digits(tiling),
    )
    texts["design.json"] = json.dumps(described, indent=2) + "\n"
    packed = io.BytesIO()
    np.savez(packed, allow_pickle=False, **operands)
    return {**{name: text.encode() for name, text in texts.items()}, "operands.npz": packed.getvalue()}


def _names(
    layer: str,
    schedule: Schedule,
    tiling: Tiling,
    program: Program,
    cycles: EpochCycles,
    top: str,
    sources: list[str],
    chart: str,
) -> dict[str, object]:
    """What the templates name."""
    units = {unit: f"{cycles.utilisation(unit):.1%}" for unit in schedule.units}
    addresses = {
        name: 1 + max(place.address + place.rotates for place in places.values())
        for name, places in (("array", program.registers), ("row", program.lanes))
    }
    return {
        **tiling.to_json(),
        "layer": layer,
        "einsum": EINSUM,
        "top": top,
        "m1": tiling.m1,
        "last_rows": tiling.last_rows,
        "blocks": tiling.blocks,
        "tiles": tiling.tiles,
        "period": schedule.period,
        "stages": schedule.stages,
        "best": "the shortest there is" if schedule.optimal else f"at least {schedule.lower_bound}",
        "cycles": cycles.total,
        "parts": ", ".join(
            f"{name} {getattr(cycles, name)}" for name in ("load", "epochs", "stall", "drain", "post")
        ),
        "utilisation": ", ".join(f"{share} of {unit}" for unit, share in units.items()),
        "in_msb": 4 * word_digits(tiling) - 1,
        "out_msb": 16 * tiling.cols - 1,
        "array_used": addresses["array"],
        "row_used": addresses["row"],
        "lane_entries": LANE_REGISTERS,
        "chart": f"```\n{chart.rstrip()}\n```" if chart else "(not drawn)",
        "source_list": " ".join(sources),
    }
