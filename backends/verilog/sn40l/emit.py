"""A section as a directory of SystemVerilog: top, configuration, memory image, driver, README.

Nothing in the directory refers to anything outside of it.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .... import rtl
from ....ir.bitmod_format import BitmodWeights
from ....ir.errors import InputError, TargetError
from ....ir.fabric import VECTOR_BYTES, Buffer, Compute, Section
from ....ir.targets.fabric import Machine
from ..folder import fill, write
from .configure import Placed
from .mesh import KINDS, Mesh, mesh_of
from .packing import regions
from .place import place
from .route import Route, route

SCHEMA = 1
KIND = "sn40l_section"
DRIVER = "sim_main.cpp"
TOP = "sn40l_top"
"""The top module: the same for all sections of a target, so that a model is built once."""
RTL_FOLDERS = ("common", "sn40l")
BITMOD_FOLDER = "bitmod"
HBM_CHANNELS, CHANNEL_BYTES = 4, 32
LATENCY = 64
"""Cycles a memory channel takes to answer."""
SILENT = 2_000_000
"""Cycles without a beat stored after which a simulation is given up."""


@dataclass(frozen=True)
class Compiled:
    """A section with its place on a machine.

    Attributes:
        section: the units.
        machine: what it is for.
        mesh, nodes, routes: where its units and flows are.
        addresses: byte address of each region of memory.
    """

    section: Section
    machine: Machine
    mesh: Mesh
    nodes: Mapping[str, int]
    routes: Mapping[str, Route]
    addresses: Mapping[str, int]

    def config(self) -> Iterator[tuple[int, int, int]]:
        """All words of the configuration: units, control network, switches."""
        numbers = {name: each.number for name, each in self.routes.items()}
        yield from Placed(self.section, self.nodes, numbers, self.addresses).words()
        for each in self.routes.values():
            yield from each.words()

    def links(self) -> dict[str, dict[str, int]]:
        """Flow → unit at an end of it → links on the way there."""
        found = {}
        for name, flow in self.section.flows.items():
            far = self.routes[name].links(self.mesh, self.nodes[flow.source.unit])
            found[name] = {end.unit: far[self.nodes[end.unit]] for end in flow.destinations}
        return found


def compile_section(
    section: Section, machine: Machine, addresses: Mapping[str, int], seed: int = 0
) -> Compiled:
    """Place a section's units on the machine's mesh and route its flows.

    Args:
        section: the units.
        machine: a fabric.
        addresses: byte address of each region of memory.
        seed: of the placement.

    Raises:
        TargetError: no mesh of the machine's units is known.
        PlanError: more units or flows than there is room for.
    """
    mesh = mesh_of(machine, section.quantized)
    if mesh is None:
        raise TargetError(
            f"no mesh of {machine.pcus} PCUs, {machine.pmus} PMUs, {machine.agcus} AGCUs is known",
            where=machine.name,
            accepted="16 of each",
        )
    nodes = place(section, mesh, seed)
    return Compiled(section, machine, mesh, nodes, route(section, mesh, nodes), addresses)


def emit_section(
    directory: str | os.PathLike[str],
    compiled: Compiled,
    parameters: Mapping[str, NDArray],
    inputs: Mapping[str, NDArray],
    reference: NDArray[np.float64],
    quantized: Mapping[str, BitmodWeights] | None = None,
) -> Path:
    """Write the directory, all of it or nothing.

    Args:
        directory: where; it must not exist yet, or be empty.
        compiled: the section.
        parameters: by name.
        inputs: the part's inputs, a tile for each of their first axis.
        reference: what the interpreter makes of them, in float64.
        quantized: weights of quantized layers, by name.

    Raises:
        InputError: inputs of another shape.
        BundleError: the directory cannot be written.
    """
    memory = regions(compiled.section, parameters, inputs, quantized or {})
    vectors = compiled.section.regions["y"].vectors
    if reference.size != vectors * VECTOR_BYTES // 4:
        raise InputError(f"a reference of shape {list(reference.shape)}", where=compiled.section.name)
    return write(Path(directory), _files(compiled, memory, inputs, reference))


def _files(
    compiled: Compiled,
    memory: Mapping[str, NDArray[np.float32]],
    inputs: Mapping[str, NDArray],
    reference: NDArray[np.float64],
) -> dict[str, bytes]:
    """Relative path → content."""
    section, machine = compiled.section, compiled.machine
    top = TOP
    folders = (*RTL_FOLDERS, BITMOD_FOLDER) if section.quantized else RTL_FOLDERS
    design, bound = rtl.sources(*folders), rtl.properties(*folders)
    sources = ["memory.vlt", *(f"rtl/{each}" for each in (*design, f"{top}.sv"))]
    image = b"".join(np.ascontiguousarray(array, "<f4").tobytes() for array in memory.values())
    counters = _counters(compiled)
    names = _names(compiled, sources)
    described = {
        "schema": SCHEMA,
        "design": KIND,
        "layer": section.name,
        "top": top,
        "sources": sources,
        "properties": [f"rtl/{each}" for each in bound],
        "driver": DRIVER,
        "trace": "trace.vlt",
        "config": "config.txt",
        "image": "memory.bin",
        "sha256": hashlib.sha256(image).hexdigest(),
        "operands": "operands.npz",
        "shape": list(reference.shape),
        "section": section.to_json(),
        "nodes": dict(compiled.nodes),
        "links": compiled.links(),
        "kinds": sorted({KINDS[kind] for kind in compiled.mesh.kinds}),
        "addresses": dict(compiled.addresses),
        "loaded": {name: len(array) for name, array in memory.items()},
        "counters": [name for name, _, _ in counters],
        "machine": vars(machine),
        "memory": {
            "latency": LATENCY,
            "channels": HBM_CHANNELS,
            "hbm_beats": names["hbm_beats"],
            "ddr_beats": names["ddr_beats"],
        },
    }
    texts = {f"rtl/{name}": text for name, text in {**design, **bound}.items()}
    texts[f"rtl/{top}.sv"] = fill("sn40l/top.sv", names)
    texts[DRIVER] = fill("sn40l/sim_main.cpp", names)
    texts["address.h"] = fill("sn40l/address.h", names)
    texts["README.md"] = fill("sn40l/README.md", names)
    texts["trace.vlt"] = fill("sn40l/trace.vlt", names)
    texts["memory.vlt"] = fill("sn40l/memory.vlt", names)
    texts["config.txt"] = _config(compiled, memory, counters)
    texts["design.json"] = json.dumps(described, indent=1) + "\n"
    files = {path: text.encode() for path, text in texts.items()}
    packed = io.BytesIO()
    np.savez(packed, allow_pickle=False, reference=reference, **{f"input.{k}": v for k, v in inputs.items()})
    return {**files, "memory.bin": image, "operands.npz": packed.getvalue()}


def _config(compiled: Compiled, memory: Mapping[str, NDArray], counters: list[tuple[str, int, int]]) -> str:
    """What the driver reads: pieces of the image and where they go, what is stored, counters, registers."""
    lines = [
        "// hexadecimal: load ADDRESS OFFSET BYTES",
        "// in memory.bin; store ADDRESS BYTES; count NAME UNIT WORD",
    ]
    lines.append("// read at the end; set UNIT ADDRESS DATA before the start, in this order")
    offset = 0
    for name, array in memory.items():
        size = len(array) * VECTOR_BYTES
        lines.append(f"load {compiled.addresses[name]:x} {offset:x} {size:x}")
        offset += size
    lines.append(
        f"store {compiled.addresses['y']:x} {compiled.section.regions['y'].vectors * VECTOR_BYTES:x}"
    )
    lines += [f"count {name} {unit:x} {word:x}" for name, unit, word in counters]
    lines += [f"set {unit:x} {address:x} {data:x}" for unit, address, data in compiled.config()]
    return "\n".join(lines) + "\n"


def _counters(compiled: Compiled) -> list[tuple[str, int, int]]:
    """What is read at the end: name, unit, word."""
    found = []
    for unit in compiled.section.units:
        node = compiled.nodes[unit.name]
        if isinstance(unit, Compute):
            found += [
                (f"{unit.name}.{word}", node, at) for at, word in enumerate(("busy", "starved", "blocked"))
            ]
        elif isinstance(unit, Buffer):
            found += [
                (f"{unit.name}.{word}", node, at) for at, word in enumerate(("read_waits", "write_waits"))
            ]
    return found


def _names(compiled: Compiled, sources: list[str]) -> dict[str, Any]:
    """What the templates name."""
    section, machine, mesh = compiled.section, compiled.machine, compiled.mesh
    hbm = Fraction(machine.hbm_bytes_per_cycle / (HBM_CHANNELS * CHANNEL_BYTES)).limit_denominator(256)
    ddr = Fraction(machine.ddr_bytes_per_cycle / CHANNEL_BYTES).limit_denominator(256)
    arrays = [
        f"      case {channel}: return &root.{TOP}__DOT__i_memory__DOT__gen_channel__BRA__{channel}"
        "__KET____DOT__i_chan__DOT__mem_q[at][0];"
        for channel in range(HBM_CHANNELS + 1)
    ]
    return {
        "name": section.name,
        "top": TOP,
        "units": len(section.units),
        "table": "\n".join(
            f"| {compiled.nodes[u.name]} | {u.kind} | `{u.name}` | {_told(u)} |" for u in section.units
        ),
        "tiles": section.tiles,
        "rows": mesh.rows,
        "cols": mesh.cols,
        "agcu_cols": f"{sum(1 << column for column in mesh.agcu_cols):x}",
        "bitmod_cols": f"{sum(1 << column for column in mesh.bitmod_cols):x}",
        "agcus": machine.agcus,
        "nodes": mesh.rows * mesh.cols,
        "banks": machine.banks,
        "bank_words": machine.pmu_words // machine.banks,
        "hbm_channels": HBM_CHANNELS,
        "hbm_beats": machine.hbm_bytes // (HBM_CHANNELS * CHANNEL_BYTES),
        "hbm_num": hbm.numerator,
        "hbm_den": hbm.denominator,
        "ddr_beats": 1 << (machine.ddr_bytes // CHANNEL_BYTES - 1).bit_length(),
        "ddr_num": ddr.numerator,
        "ddr_den": ddr.denominator,
        "latency": LATENCY,
        "silent": SILENT,
        "channels": "\n".join(arrays),
        "source_list": " ".join(sources),
    }


def _told(unit: object) -> str:
    """A unit in a few words."""
    if isinstance(unit, Compute):
        return unit.einsum
    if isinstance(unit, Buffer):
        return f"{unit.tensor}, {unit.depth} x {unit.words} words"
    return f"region {getattr(unit, 'region', '')}"
