"""A plan of a training step, said to people and to programs: ``penstock plan swap``."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .ir.files import whole, write_text
from .outcome import table
from .sim.report import units

if TYPE_CHECKING:
    from .passes.swap.planner import SwapResult

POLICY_COLUMNS = ("policy", "", "step", "MFU", "stall", "again", "device", "host", "fits", "limits")
TENSOR_COLUMNS = ("tensor", "class", "a layer", "layers: what happens")
POLICIES = {
    "plain": "everything stays on the device",
    "checkpoint": "every layer's forward is done again",
    "memo": "the paper's one fraction",
    "general": "every tensor of every layer by itself",
}


def data(found: SwapResult) -> dict[str, Any]:
    """The JSON object."""
    costs, memory = found.costs, found.memory
    machine = costs.machine
    return {
        "model": costs.profile.model,
        "target": machine.name,
        "gpus": machine.gpus,
        "seq": costs.profile.tokens,
        "tokens": costs.tokens,
        "layers": costs.layers,
        "dtype": costs.profile.dtype,
        "machine": asdict(machine),
        "layer": {
            "forward_s": costs.forward_s,
            "backward_s": costs.backward_s,
            "recompute_s": costs.layer.recompute_s,
            "always_bytes": costs.layer.always_bytes,
            "token_bytes": costs.layer.token_bytes,
            "parameters": costs.profile.layer_parameters,
        },
        "alpha": None
        if found.alpha is None
        else {name: getattr(found.alpha, name) for name in ("value", "link", "host", "limits", "hidden")},
        "chosen": found.chosen,
        "policies": [asdict(row) for row in found.policies],
        "bound_s": found.bound_s,
        "limits": found.policy.limits,
        "gains_s": found.gains,
        "memory": {
            "arena_bytes": memory.transients.arena_bytes,
            "forward_bytes": memory.transients.forward_bytes,
            "backward_bytes": memory.transients.backward_bytes,
            "monolithic_bytes": memory.monolithic_bytes,
            "lower_bound_bytes": memory.lower_bound_bytes,
            "allocator_bytes": memory.allocator.reserved_bytes,
            "growing_bytes": memory.growing.reserved_bytes,
            "tensors": memory.tensors,
            "alike": memory.alike,
            "problems": memory.problems,
        },
        "plan": found.plan.to_json(),
    }


def text(found: SwapResult) -> str:
    """The same for people."""
    costs, machine = found.costs, found.costs.machine
    said = [
        f"{costs.profile.model} on {machine.gpus} of {machine.name}: {costs.profile.tokens} tokens, "
        f"{costs.tokens} a rank, {costs.layers} layers",
        f"a layer takes {units.duration(costs.forward_s)} forward, {units.duration(costs.backward_s)} "
        f"backward, and keeps {units.size(costs.layer.always_bytes)} whole and "
        f"{units.size(costs.layer.token_bytes)} by tokens",
        _alpha(found),
        "",
        table(POLICY_COLUMNS, _rows(found)),
        "",
        f"chosen: {found.chosen}; {_gains(found)}",
        table(TENSOR_COLUMNS, _tensors(found)),
        "",
        _memory(found),
    ]
    return "\n".join(said)


def _memory(found: SwapResult) -> str:
    plan, memory = found.plan, found.memory
    return (
        f"two buffers of {units.size(plan.buffer_bytes)}, a slab of {units.size(plan.host_bytes)}, an arena "
        f"of {units.size(memory.transients.arena_bytes)} for {memory.tensors} tensors\nmonolithic "
        f"{units.size(memory.monolithic_bytes or 0)}, lower bound {units.size(memory.lower_bound_bytes)}; "
        f"PyTorch's caching allocator would reserve {units.size(memory.allocator.reserved_bytes)}, with "
        f"expandable segments {units.size(memory.growing.reserved_bytes)}"
    )


def _alpha(found: SwapResult) -> str:
    if found.alpha is None:
        return "the paper's fraction: not even what is swapped whole fits on the host"
    alpha = found.alpha
    said = f"the paper's fraction: {alpha.value:.4g} (link {alpha.link:.4g}, host {alpha.host:.4g})"
    return said if alpha.hidden else f"{said}; copies are not hidden at any fraction"


def _rows(found: SwapResult) -> list[tuple[object, ...]]:
    return [
        (
            row.name,
            POLICIES[row.name],
            units.duration(row.step_s),
            f"{row.mfu:.2%}",
            units.duration(row.stall_s),
            units.duration(row.recompute_s),
            units.size(row.device_bytes),
            units.size(row.host_bytes),
            "yes" if row.fits else "no",
            row.limits,
        )
        for row in found.policies
    ]


def _gains(found: SwapResult) -> str:
    if found.bound_s is None:
        return f"limited by {found.policy.limits}"
    off = found.policy.step_s / found.bound_s - 1
    said = f"no choice is faster than {units.duration(found.bound_s)} ({off:.2%} below)"
    saved = ", ".join(f"{name} {units.duration(gain)}" for name, gain in found.gains.items() if gain)
    return f"{said}; a tenth more would save: {saved or 'nothing'}"


def _tensors(found: SwapResult) -> list[tuple[object, ...]]:
    """Every tensor, and in how many layers it is kept, swapped, split or recomputed."""
    rows = []
    for at, tensor in enumerate(found.plan.tensors):
        seen: Counter[str] = Counter()
        for layer in found.plan.layers:
            action = layer.actions[at]
            if layer.buffer is not None and not layer.swapped:
                seen["in its buffer"] += 1
            elif action.action == "swap" and action.tokens < found.plan.tokens:
                seen[f"swap {action.tokens / found.plan.tokens:.1%}"] += 1
            else:
                seen[action.action] += 1
        said = ", ".join(f"{count}: {what}" for what, count in seen.most_common(4))
        more = len(seen) - 4
        rows.append(
            (
                tensor.name,
                tensor.kind,
                units.size(found.costs.bytes(tensor)),
                f"{said}, and {more} other fractions" if more > 0 else said,
            )
        )
    return rows


def _cells(rows: list[tuple[object, ...]]) -> list[list[str]]:
    return [[str(cell) for cell in each] for each in rows]


def write_picture(found: SwapResult, place: Path) -> None:
    """Write the page (.html) or the pictures alone (.png), whole or not at all."""
    from .passes.swap.curves import curves
    from .sim.report import swap as report

    drawn, capacity = curves(found), found.costs.machine.device_bytes
    if place.suffix == ".png":
        with whole(place) as scratch:
            report.write_png(scratch, drawn, capacity, found.step.timeline)
    else:
        title = f"{found.costs.profile.model}, {found.costs.profile.tokens} tokens"
        row = found.policy
        figures = [
            ("policy", found.chosen),
            ("a step", units.duration(row.step_s)),
            ("MFU", f"{row.mfu:.2%}"),
            ("device", units.size(row.device_bytes)),
            ("host, a rank", units.size(row.host_bytes)),
            ("limited by", row.limits),
        ]
        tables = [
            ("Policies", POLICY_COLUMNS, _cells(_rows(found))),
            ("Tensors of a layer", TENSOR_COLUMNS, _cells(_tensors(found))),
        ]
        pictures = report.svg(drawn, capacity, found.step.timeline)
        notes = [_alpha(found), _gains(found)]
        write_text(place, report.page(escape(title), figures, tables, pictures, notes))
