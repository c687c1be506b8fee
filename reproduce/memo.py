"""MEMO (SIGMOD 2025, arXiv 2407.12117): what its text prints or implies, beside ours.

The tables of its evaluation were not at hand; what follows from its formulas, its testbed and its abstract is
computed here. One number is fitted, the share of the peak that products reach; two are inferred.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..ir.swap_plan import BUFFERS
from ..ir.targets import load
from ..sim.cost.swap import GPTS, Alpha, Gpt, LayerCost, best_alpha
from ..sim.cost.swap.gpt import ATTENTION, BACKWARD, FORWARD_H, RECOMPUTE_H
from ..sim.cost.swap.machine import Machine
from ..sim.cost.swap.schedule import LayerWork, StepWork, simulate
from .memo_text import MISSING, NOTES, QUIRKS, SOURCES, sections
from .published import read
from .rows import Reproduction, Row, check

TARGET, SERVER_GPUS = "a800-node", 8
GIB, K = 1 << 30, 1 << 10
LENGTHS = {"64k": 64, "128k": 128, "192k": 192, "512k": 512, "546k": 546, "576k": 576, "768k": 768}
LENGTHS |= {"1m": 1024, "1408k": 1408}
"""Name → thousands of tokens, each 1024."""
CAPPED, LINKED = ("546k", "768k", "1m", "1408k"), ("64k", "128k", "192k")
SHARES = ("64k", "128k", "512k", "1m")

EXACT, CLOSE, ABOVE = 1e-9, 0.01, 0.03
"""Deviations allowed."""


def tokens_of(length: str) -> int:
    """``1m`` as a number of tokens."""
    return LENGTHS[length] * K


def layer_cost(model: Gpt, tokens: int, machine: Machine) -> LayerCost:
    """A layer of one rank by the paper's formulas."""
    forward = machine.compute_s(model.forward_flops(tokens) / machine.gpus)
    return LayerCost(
        always_bytes=model.always_bytes(tokens) / machine.gpus,
        token_bytes=model.token_bytes(tokens) / machine.gpus,
        forward_s=forward,
        backward_s=BACKWARD * forward,
        recompute_s=machine.compute_s(model.recompute_flops(tokens) / machine.gpus),
    )


def alpha(name: str, tokens: int) -> Alpha:
    """The fraction of a model on the GPUs it is trained on, all of the host usable."""
    model = GPTS[name]
    machine = Machine.of(load(TARGET), model.gpus)
    cost = layer_cost(model, tokens, machine)
    return best_alpha(cost, model.layers, machine.link_bytes_per_s, machine.host_bytes)


def crossover_tokens(machine: Machine, width: int) -> float:
    """Tokens from which on a layer's copies hide behind its forward: 16·F·eta/B − 12·h."""
    rate = machine.flops_per_s * machine.efficiency / machine.link_bytes_per_s
    return 16 * rate - FORWARD_H / ATTENTION * width


@dataclass(frozen=True)
class Step:
    """A step of 7B at 2^20 tokens, its efficiency fitted to the printed MFU."""

    machine: Machine
    fraction: float
    efficiency: float
    printed_mfu: float

    @classmethod
    def fitted(cls) -> Step:
        """From the printed MFU, of a step without stalls."""
        printed = _figures()["mfu/7b/1m"]
        machine = Machine.of(load(TARGET), SERVER_GPUS)
        found = alpha("7b", tokens_of("1m"))
        model, tokens = GPTS["7b"], tokens_of("1m")
        again = model.layers * (1 - found.value) * model.recompute_flops(tokens)
        extra = 1 + again / model.step_flops(tokens)
        assert found.value <= found.link, "copies are hidden"
        return cls(machine, found.value, printed * extra, printed)

    @property
    def seconds(self) -> float:
        """Operations of a step at the printed MFU."""
        flops = GPTS["7b"].step_flops(tokens_of("1m"))
        return flops / (self.machine.gpus * self.machine.flops_per_s * self.printed_mfu)


def simulated_s(step: Step) -> float:
    """The same step on the three streams, with copies, recomputing and the classifier."""
    model, tokens = GPTS["7b"], tokens_of("1m")
    machine = replace(step.machine, efficiency=step.efficiency)
    cost = layer_cost(model, tokens, machine)
    layers = tuple(
        LayerWork(
            forward_s=cost.forward_s,
            backward_s=cost.backward_s,
            recompute_s=(1 - step.fraction) * cost.recompute_s,
            copied_bytes=cost.swapped_bytes(step.fraction),
            buffer=at % BUFFERS,
            swapped=at < model.layers - BUFFERS,
        )
        for at in range(model.layers)
    )
    head = 6 * tokens * model.vocabulary * model.width / machine.gpus
    rate = machine.link_bytes_per_s
    return simulate(StepWork(layers, rate, rate, head_s=machine.compute_s(head))).seconds


def reproduce() -> Reproduction:
    """Compute everything."""
    step = Step.fitted()
    rows = tuple(_rows(step))
    bounds = {"skeletal_bytes": EXACT, "attention_share_bytes": EXACT, "crossover_tokens": CLOSE}
    bounds |= {"attention_share_flops": ABOVE, "simulated_mfu": CLOSE}  # the former is printed as "over 90 %"
    checks = tuple(
        check(name, bound, (row for row in rows if row.id.startswith(name))) for name, bound in bounds.items()
    )
    return Reproduction(
        paper="memo",
        rows=rows,
        how="computed",
        checks=checks,
        quirks=QUIRKS,
        missing=MISSING,
        sections=sections(rows, checks),
    )


def _rows(step: Step) -> Iterator[Row]:
    model, long = GPTS["7b"], tokens_of("1m")
    figures = _figures()
    for name in GPTS:
        for length in CAPPED:
            yield _row(f"alpha_cap/{name}/{length}", min(1.0, alpha(name, tokens_of(length)).host), "")
    for length in LINKED:
        yield _row(f"alpha_bw/{length}", min(1.0, alpha("7b", tokens_of(length)).link), "")
    skeletal = model.layers * model.skeletal_bytes(long)
    yield _row("skeletal_bytes/7b/1m", skeletal, "bytes", figures["skeletal_gib/7b/1m"] * GIB)
    inputs = model.layers * model.always_bytes(long) / 2
    yield _row("input_bytes/7b/1m", inputs, "bytes", figures["input_gb/7b/1m"] * GIB)
    share = model.always_bytes(long) / 2 / model.skeletal_bytes(long)
    yield _row("attention_share_bytes", share, "", figures["attention_share_bytes"])
    at = tokens_of("576k")
    share = model.attention_flops(at) / model.forward_flops(at)
    yield _row("attention_share_flops/576k", share, "", figures["attention_share_flops/576k"])
    ours = crossover_tokens(step.machine, model.width)
    yield _row("crossover_tokens/a800", ours, "tokens", figures["crossover_k/a800"] * K)
    yield _row("full_swap_tokens/7b", _full_swap_tokens(step.machine), "tokens")
    for length in SHARES:
        tokens = tokens_of(length)
        again = RECOMPUTE_H * model.width / (FORWARD_H * model.width + ATTENTION * tokens)
        yield _row(f"recompute_share/{length}", again, "of a forward")
    yield _row("efficiency/a800", step.efficiency, "of the peak")
    yield _row("step_seconds/7b/1m", step.seconds, "s")
    share = step.seconds * step.printed_mfu / simulated_s(step)
    yield _row("simulated_mfu/7b/1m", share, "of the peak", step.printed_mfu)
    yield _row("tokens_per_gpu_s/7b/1m", long / step.seconds / step.machine.gpus, "tokens/s")


def _full_swap_tokens(machine: Machine) -> float:
    """Longest sequence whose skeletal tensors all fit on the host, 7B on one server."""
    model = GPTS["7b"]
    return machine.host_bytes * machine.gpus / ((model.layers - 2) * model.skeletal_bytes(1))


def _row(name: str, ours: float, unit: str, paper: float | None = None) -> Row:
    kind = name.split("/")[0]
    return Row(name, ours, paper, unit, SOURCES[kind], note=NOTES.get(kind, ""))


def _figures() -> dict[str, float]:
    """What the paper prints, by id."""
    return {line["id"]: float(line["value"]) for line in read("memo", "figures")}
