"""Plans of training steps side by side: where tensors lie, and what is kept, swapped or recomputed.

- `memory`: traced models of 1, 4 and 32 layers under the paper's policy at a fraction of a half. The arena
  bi-level and monolithic, the lower bound, and what PyTorch's caching allocator (simulated) reserves for the
  same requests; beside them what it wastes in a plain step and in one with every layer checkpointed.
- `policies`: predicted steps on a grid of length, host memory and link: every layer checkpointed, the
  paper's one fraction, and the choice of every tensor of every layer. Every step is simulated on the three
  streams, its accesses checked for hazards.

Usage: python benchmarks/swap_plans.py [--only memory,policies] [--layers N] [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

from penstock.frontend.step_profile import profile_zoo
from penstock.ir.errors import PlanError
from penstock.ir.targets import load
from penstock.outcome import listing
from penstock.passes.swap.costs import Costs
from penstock.passes.swap.lives import checkpointed, layout, plain
from penstock.passes.swap.memory import as_requests, plan_memory
from penstock.passes.swap.planner import room
from penstock.passes.swap.policies import general, paper, uniform
from penstock.sim.cost.swap.caching_allocator import replay
from penstock.sim.cost.swap.machine import Machine
from penstock.sim.cost.swap.schedule import simulate

GIB, K = 1 << 30, 1 << 10
MODELS = {"llama-7b": ("zoo:llama-7b-layer", 8), "gpt2": ("zoo:gpt2-small", 1)}
"""Name → model, and the GPUs it is trained on."""
MEMORY = {"llama-7b": 1024 * K, "gpt2": 64 * K}
LAYERS = (1, 4, 32)
TABLES = ("memory", "policies")
GRID: dict[str, tuple[int, int, tuple[int, ...], tuple[int, ...], tuple[float, ...]]] = {
    "llama-7b": (32, 80, (64, 128, 256, 512, 1024), (512, 1024, 2048), (5.0, 10.2, 50.0)),
    "gpt2": (12, 20, (16, 32), (1, 2, 4), (5.0, 10.2, 50.0)),
}
"""Name → layers, GB of a GPU, thousands of tokens, GiB of the server, GB/s of a GPU's link."""


def machine(gpus: int, **figures: Any) -> Machine:
    return Machine.of(load("a800-node"), gpus, **figures)


def memory(layers: tuple[int, ...]) -> Iterator[dict[str, Any]]:
    for name, tokens in MEMORY.items():
        spec, gpus = MODELS[name]
        for count in layers:
            costs = Costs(profile_zoo(f"{spec},layers={count}", tokens), machine(gpus))
            begin = time.perf_counter()
            laid = layout(costs.profile, uniform(costs, 0.5), gpus)
            found = plan_memory(laid)
            took = time.perf_counter() - begin
            bound = found.lower_bound_bytes
            waste = {
                what.__name__: replay(as_requests(what(costs.profile, gpus))).waste
                for what in (plain, checkpointed)
            }
            yield {
                "model": name,
                "layers": count,
                "tensors": found.tensors,
                "bound, GiB": bound / GIB,
                "bi-level": found.transients.arena_bytes / bound,
                "monolithic": (found.monolithic_bytes or 0) / bound,
                "allocator": found.allocator.reserved_bytes / bound,
                "growing": found.growing.reserved_bytes / bound,
                "plain": 1 + waste["plain"],
                "checkpoint": 1 + waste["checkpointed"],
                "s": took,
            }


def policies(layers: int | None) -> Iterator[dict[str, Any]]:
    for name, (count, device, lengths, hosts, links) in GRID.items():
        spec, gpus = MODELS[name]
        for length in lengths:
            profile = profile_zoo(f"{spec},layers={layers or count}", length * K)
            first = Costs(profile, machine(gpus, device_bytes=device * 10**9))
            space = room(first)
            for host, link in product(hosts, links):
                figures = {"host_bytes": host * GIB // gpus, "link_bytes_per_s": link * 1e9}
                costs = replace(first, machine=replace(first.machine, **figures))
                yield {
                    "model": name,
                    "K tokens": length,
                    "host, GiB": host,
                    "link, GB/s": link,
                    **steps(costs, space),
                }


def steps(costs: Costs, space: int) -> dict[str, Any]:
    """Seconds of a step under each policy, None where it does not fit, and what the last gains."""
    again = costs.around_s + costs.layers * (2 * costs.forward_s + costs.backward_s)
    found: dict[str, Any] = {"checkpoint, s": again, "memo, s": None, "general, s": None}
    if space >= 0:
        for policy in ("memo", "general"):
            try:
                plan = paper(costs)[0] if policy == "memo" else general(costs, space, seconds=20, seed=0)[0]
            except PlanError:
                continue
            found[f"{policy}, s"] = simulate(costs.work(plan)).seconds
    one, two = found["memo, s"], found["general, s"]
    found["faster, %"] = None if one is None or two is None else 100 * (one / two - 1)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", default=",".join(TABLES))
    parser.add_argument("--layers", type=int, help="of the models (default: 1, 4, 32; on the grid their own)")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    wanted = args.only.split(",")
    if unknown := [name for name in wanted if name not in TABLES]:
        parser.error(f"no table {', '.join(unknown)} (accepted: {', '.join(TABLES)})")
    found: dict[str, list[dict[str, Any]]] = {}
    if "memory" in wanted:
        found["memory"] = list(memory((args.layers,) if args.layers else LAYERS))
    if "policies" in wanted:
        found["policies"] = list(policies(args.layers))
        slower = [row for row in found["policies"] if (row["faster, %"] or 0.0) < -0.01]
        for row in slower:
            print(f"slower than the paper's: {row}", file=sys.stderr)
        if slower:
            return 1
    if args.json:
        print(json.dumps(found, indent=1))
    else:
        print("\n\n".join(listing(rows) for rows in found.values()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
