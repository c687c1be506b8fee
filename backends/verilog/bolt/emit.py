"""An oblivious map as a directory: the accelerator, a top, images of a filled map, the host in C++, a README.

Nothing in the directory refers to anything outside of it.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from .... import rtl
from ....ir.targets.description import MapUnit
from ....sim.bolt import BoltConfig, Keys
from ....sim.rtl.bolt import TOP, Hardware
from ....sim.rtl.bolt_images import BootImages
from ..folder import fill, module_name, write
from .top import top

SCHEMA = 1
KIND = "bolt_map"
DRIVER = "sim_main.cpp"
VISIBLE = "memory.vlt"
RTL_FOLDERS = ("common", "bolt")
OPERANDS = "operands.npz"


@dataclass(frozen=True)
class Operands:
    """What is looked up.

    Attributes:
        name: of the part of the model, for headings.
        tables: ``lookups``, ``map`` and ``asked`` of the program beside it.
        inputs: of the program, by name: what a simulation runs.
    """

    name: str
    tables: Mapping[str, Any]
    inputs: Mapping[str, np.ndarray]


def hardware_of(unit: MapUnit) -> Hardware:
    """What a target's unit is built with."""
    return Hardware(
        in_flight=unit.accesses_in_flight,
        deadline=unit.hbm_deadline_cycles,
        aes_units=unit.aes_units,
        digit=unit.ghash_bits_per_cycle,
        lane_pairs=unit.lane_pairs,
    )


def emit(
    directory: str | os.PathLike[str],
    operands: Operands,
    unit: MapUnit,
    config: BoltConfig,
    keys: Keys,
    boot: BootImages,
) -> Path:
    """Write the directory, all of it or nothing.

    Args:
        directory: where; it must not exist yet, or be empty.
        operands: what is looked up.
        unit: the target's.
        config: the map's sizes.
        keys: under which the images are sealed; a simulation's, not a card's.
        boot: the filled map.

    Raises:
        BundleError: the directory cannot be written.
    """
    return write(Path(directory), _files(operands, unit, config, keys, boot))


def _files(
    operands: Operands, unit: MapUnit, config: BoltConfig, keys: Keys, boot: BootImages
) -> dict[str, bytes]:
    """Relative path → content."""
    card = module_name(operands.name)
    design = rtl.sources(*RTL_FOLDERS)
    bound = rtl.properties(*RTL_FOLDERS)
    bound = {name: text for name, text in bound.items() if name.replace("_props", "") in design}
    images = {name: getattr(boot, name) for name in ("pages", "buckets", "frames", "records")}
    hardware = hardware_of(unit)
    described = {
        "schema": SCHEMA,
        "design": KIND,
        "layer": operands.name,
        "top": TOP,
        "card": f"rtl/{card}.sv",
        "sources": [f"rtl/{name}" for name in design],
        "properties": [f"rtl/{name}" for name in bound],
        "visible": VISIBLE,
        "driver": DRIVER,
        "map": {"capacity": config.capacity, "value_bytes": config.value_bytes, "alpha": config.alpha},
        "hardware": asdict(hardware),
        "parameters": hardware.parameters(config),
        "clock_hz": unit.clock_hz,
        "host_latency_cycles": unit.host_latency_cycles,
        "keys": {name: key.hex() for name, key in asdict(keys).items()},
        "images": {
            name: {"file": f"{name}.bin", "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in images.items()
        },
        "operands": OPERANDS,
    }
    names = _names(operands, unit, config, card, hardware)
    texts = {f"rtl/{name}": text for name, text in {**design, **bound}.items()}
    parameters = hardware.parameters(config)
    texts[f"rtl/{card}.sv"] = top(design["bolt_top.sv"], card, operands.name, parameters)
    texts["README.md"] = fill("bolt/README.md", names)
    texts["design.json"] = json.dumps(described, indent=2) + "\n"
    for name in (DRIVER, VISIBLE):
        texts[name] = template(name)
    files = {path: text.encode() for path, text in texts.items()}
    files |= {f"{name}.bin": content for name, content in images.items()}
    packed = io.BytesIO()
    np.savez(packed, allow_pickle=False, **operands.inputs)
    return {**files, OPERANDS: packed.getvalue()}


def template(name: str) -> str:
    """A file of the simulation that is the same for every map."""
    place = resources.files(__name__.rpartition(".")[0].rpartition(".")[0]) / "templates" / "bolt" / name
    return place.read_text(encoding="utf-8")


def _names(
    operands: Operands, unit: MapUnit, config: BoltConfig, card: str, hardware: Hardware
) -> dict[str, object]:
    """What the templates name."""
    lookups, asked = operands.tables["lookups"], operands.tables["asked"]
    tables = "\n".join(
        f"| {row['table']} | {row['rows']} | {row['row_bytes']} | {row['chunks']} | {row['first_key']} |"
        for row in {row["table"]: row for row in lookups}.values()
    )
    runs = "\n".join(f"| {name} | {each['rows']} | {each['accesses']} |" for name, each in asked.items())
    parameters = hardware.parameters(config)
    return {
        "layer": operands.name,
        "top": card,
        "tables": tables,
        "runs": runs,
        "buckets": config.buckets,
        "frames": config.frames,
        "bins": config.bins,
        "hbm_bins": config.hbm_bins,
        "host_bins": config.host_bins,
        "page_bytes": config.page_bytes,
        "value_bytes": config.value_bytes,
        "image_bytes": config.image_bytes,
        "packet_bytes": config.packet_bytes,
        "clock": f"{unit.clock_hz / 1e6:g}",
        "flags": " ".join(f"-G{name}={value}" for name, value in parameters.items()),
        "simulated": TOP,
    }
