"""One matmul in ZigZag, for benchmarks/mapper.py: run where `zigzag-dse` is installed, JSON in and out.

Reads {"m", "n", "k", "side", "buffer_bytes", "objective"} on standard input and prints MACs, words between
DRAM and buffer by operand, cost evaluations and seconds. The machine has what the physical model has: an
array of side × side multiply-accumulates with a register per operand, one shared buffer, DRAM.
"""

from __future__ import annotations

import importlib
import json
import logging
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

api = importlib.import_module("zigzag.api")
CostModelEvaluation = importlib.import_module("zigzag.cost_model.cost_model").CostModelEvaluation
DataDirection = importlib.import_module("zigzag.hardware.architecture.memory_port").DataDirection
DataMoveAttr = importlib.import_module("zigzag.mapping.data_movement").DataMoveAttr

PORT = """      - name: {name}
        type: {kind}
        bandwidth_min: {least}
        bandwidth_max: {most}
        allocation:
{rows}
"""


def memory(name: str, bits: int, energy: float, operands: list[str], ports: list[str], dims: str) -> str:
    cost = f"r_cost: {energy}\n    w_cost: {energy}\n    area: 0\n    latency: 1"
    return (
        f"  {name}:\n    size: {bits}\n    {cost}\n    operands: [{', '.join(operands)}]\n"
        f"    ports:\n{''.join(ports)}    served_dimensions: {dims}\n"
    )


def port(name: str, kind: str, least: int, most: int, moves: list[str]) -> str:
    rows = "\n".join(f"          - {move}" for move in moves)
    return PORT.format(name=name, kind=kind, least=least, most=most, rows=rows)


def accelerator(side: int, buffer_bytes: int) -> str:
    """FuseMax's 2D array scaled to side × side: ports of 2 KiB a cycle, DRAM of 457 bytes a cycle."""
    every = ["I1, fh", "I1, tl", "I2, fh", "I2, tl", "O, fh", "O, tl", "O, fl", "O, th"]
    weights = [port("r_port_1", "read", 16, 16, ["I2, tl"]), port("w_port_1", "write", 16, 16, ["I2, fh"])]
    sums = [
        port("r_port_1", "read", 16, 16, ["O, tl"]),
        port("r_port_2", "read", 16, 16, ["O, th"]),
        port("w_port_1", "write", 16, 16, ["O, fh"]),
        port("w_port_2", "write", 16, 16, ["O, fl"]),
    ]
    dims = "[D1, D2]"
    text = "name: array\nmemories:\n"
    text += memory("registers_w", 16, 0.7, ["I2"], weights, "[]")
    text += memory("registers_o", 16, 0.7, ["O"], sums, "[]")
    shared = [port("rw_port_1", "read_write", 16, 16384, every)]
    text += memory("buffer", 8 * buffer_bytes, 8400, ["I1", "I2", "O"], shared, dims)
    text += memory(
        "dram", 8 * 10**10, 62, ["I1", "I2", "O"], [port("rw_port_1", "read_write", 16, 3656, every)], dims
    )
    array = f"  unit_energy: 17.1645\n  unit_area: 1545\n  dimensions: {dims}\n  sizes: [{side}, {side}]\n"
    return f"{text}operational_array:\n{array}"


def workload(m: int, n: int, k: int) -> list[dict[str, Any]]:
    precision = {"W": 16, "I": 16, "O": 16, "O_final": 16}
    return [
        {
            "id": 0,
            "name": "matmul",
            "operator_type": "Gemm",
            "equation": "O[m][n]+=I[m][k]*W[k][n]",
            "loop_dims": ["M", "N", "K"],
            "loop_sizes": [m, n, k],
            "operand_precision": precision,
            "operand_source": {"I": 0, "W": 0},
        }
    ]


def mapping(side: int) -> str:
    links = "  memory_operand_links:\n    O: O\n    W: I2\n    I: I1\n"
    spatial = f"  spatial_mapping:\n    D1:\n      - N, {side}\n    D2:\n      - K, {side}\n"
    return f"- name: default\n{spatial}{links}"


def main() -> int:
    asked = json.load(sys.stdin)
    evaluations = 0
    run = CostModelEvaluation.run

    def counted(self: Any) -> None:
        nonlocal evaluations
        evaluations += 1
        run(self)

    CostModelEvaluation.run = counted
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        machine, laid = Path(folder, "array.yaml"), Path(folder, "mapping.yaml")
        machine.write_text(accelerator(asked["side"], asked["buffer_bytes"]), encoding="utf-8")
        laid.write_text(mapping(asked["side"]), encoding="utf-8")
        start = time.perf_counter()
        energy, latency, found = api.get_hardware_performance_zigzag(
            workload(asked["m"], asked["n"], asked["k"]),
            str(machine),
            str(laid),
            opt=asked["objective"],
            dump_folder=f"{folder}/out",
            loma_show_progress_bar=False,
        )[:3]
        seconds = time.perf_counter() - start
    best = found[0][1][0][0]
    words = {}
    for operand, levels in best.mapping.unit_mem_data_movement.items():
        moved = levels[-1].get_attribute(DataMoveAttr.DATA_ELEM_MOVE_COUNT)
        words[str(operand)] = {way.name: float(moved.get(way)) for way in DataDirection}
    answer = {
        "macs": int(best.layer.total_mac_count),
        "words": words,
        "energy_pj": float(energy),
        "latency_cycles": float(latency),
        "evaluations": evaluations,
        "seconds": seconds,
    }
    print("ZIGZAG " + json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
