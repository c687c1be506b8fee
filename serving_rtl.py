"""A Composition of Experts at work on the simulated RTL, beside the cost model and NumPy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import rtl
from .backends.verilog.sn40l.experts import Experts, Layout, unpacked
from .ir.errors import InputError
from .ir.fabric import VECTOR_BYTES
from .ir.operators import MAPS
from .progress import Progress
from .serving import exponent_of
from .sim.cost.coe import Expert, Served, batches_of, hit_rate, popularity, serve
from .sim.cost.coe.cycles import fabric_node, fabric_workload
from .sim.rtl import sn40l_coe
from .sim.rtl.sn40l_coe import Trace

PREFIX = "rtl:"
ERROR_BOUND = 1e-5
"""‖out − ref‖/‖ref‖ of all results against float64: the fabric computes in float32."""
CYCLES_BOUND = 0.05
BEAT, HBM_CHANNELS = VECTOR_BYTES, 4
DDR_RATE = Fraction(8)
"""Bytes a cycle of DDR, where nobody says otherwise."""
MOST_LATENCY = 65535
"""Cycles that the sequencer's counter holds."""
MOST_STEPS = 65536
"""Cycles in which DDR may give a whole number of beats."""
PATIENCE = 1_000_000
"""Cycles that a host waits for anything but bytes from DDR."""
LEAST_BEATS = {"HbmBeats": 1 << 15, "DdrBeats": 1 << 19}
"""Of a channel: one build serves most compositions."""
CYCLES = {
    "seconds": "cycles",
    "router_s": "router_cycles",
    "run_s": "run_cycles",
    "wait_s": "wait_cycles",
}
"""What the model's seconds are here."""
COUNTS = ("requests", "hits", "misses", "evictions", "copied_bytes", "written_back_bytes")


@dataclass(frozen=True)
class RtlServing:
    """What serving came to, on the RTL and in the model; times are cycles.

    Attributes:
        measured: the RTL's counters and the host's clock.
        modelled: the cost model's, from constants that were measured once.
        expected_hit_rate: of independent requests of this popularity.
        relative_error: of all results.
        misrouted: prompts whose expert is not the one they were made for.
    """

    measured: dict[str, Any]
    modelled: Served
    expected_hit_rate: float
    relative_error: float
    misrouted: int
    experts: int
    slots: int
    ahead: int

    @property
    def cycles_off(self) -> float:
        """Cycles of the RTL beside the model's, as a share of them."""
        return self.measured["cycles"] / self.modelled.seconds - 1

    @property
    def ok(self) -> bool:
        """Right results, equal counts, cycles within the bound."""
        counted = all(self.measured[name] == getattr(self.modelled, name) for name in COUNTS)
        close = self.relative_error <= ERROR_BOUND and abs(self.cycles_off) <= CYCLES_BOUND
        return counted and close and not self.misrouted

    def to_json(self) -> dict[str, Any]:
        """All of it as a JSON object."""
        modelled = {CYCLES.get(name, name): value for name, value in self.modelled.to_json().items()}
        return {
            "experts": self.experts,
            "slots": self.slots,
            "ahead": self.ahead,
            "measured": self.measured,
            "modelled": modelled,
            "expected_hit_rate": self.expected_hit_rate,
            "cycles_off": self.cycles_off,
            "relative_error": self.relative_error,
            "misrouted": self.misrouted,
            "ok": self.ok,
        }

    def rows(self) -> list[tuple[object, ...]]:
        """A line a quantity: measured and modelled."""
        lines: list[tuple[object, ...]] = [(n, self.measured[n], getattr(self.modelled, n)) for n in COUNTS]
        lines.append(("hit_rate", self.measured["hit_rate"], self.modelled.hit_rate))
        lines.append(("wait_cycles", self.measured["wait_cycles"], round(self.modelled.wait_s)))
        return [*lines, ("cycles", self.measured["cycles"], round(self.modelled.seconds))]

    def findings(self) -> list[str]:
        """What else there is to say, a line each."""
        lines = [
            f"hits expected of independent requests: {self.expected_hit_rate:.4g}",
            f"cycles beside the model: {self.cycles_off:+.2%} (bound {CYCLES_BOUND:.0%})",
            f"results beside float64: {self.relative_error:.2e} (bound {ERROR_BOUND:g})",
        ]
        return lines if self.ok else [*lines, f"RTL and model differ; {self.misrouted} prompts misrouted"]


def options_of(spec: str) -> dict[str, int]:
    """Options of ``rtl:experts=N,width=W``.

    Raises:
        InputError: something else.
    """
    found = {"experts": 150, "width": 32}
    for part in spec.removeprefix(PREFIX).split(","):
        name, _, value = part.partition("=")
        if part and (name not in found or not value.isdecimal()):
            raise InputError(f"{part!r}", where=spec, accepted="rtl:experts=N,width=W")
        if part:
            found[name] = int(value)
    return found


def serve_rtl(
    spec: str,
    slots: int,
    *,
    ahead: int = 0,
    batch: int = 8,
    batches: int = 100,
    requests: str = "uniform",
    seed: int = 0,
    state: bool = False,
    ddr: Fraction = DDR_RATE,
    latency: int = 0,
    progress: Progress | None = None,
) -> RtlServing:
    """Serve random prompts on the RTL: its router, its manager of experts, its copies, its fabric.

    Args:
        spec: ``rtl:experts=N,width=W``.
        slots: experts that HBM holds.
        ahead: of a batch's next experts, how many are asked for while one runs.
        batch, batches: prompts of a batch, at most 8, and how many batches.
        requests: ``uniform`` or ``zipf:EXPONENT``; the router names the expert each prompt was made for.
        seed: of weights, prompts and requests.
        state: whether a run writes into its expert, which is then copied back.
        ddr: bytes a cycle that DDR gives.
        latency: cycles between a host's command and its begin, beyond the least.
        progress: told of each batch.

    Raises:
        PenstockError: a subclass that says what is wrong.
    """
    options, exponent = options_of(spec), exponent_of(requests)
    if exponent is None:
        raise InputError("requests of a router's own", where=spec, accepted="uniform or zipf:EXPONENT")
    if not 0 <= latency <= MOST_LATENCY:
        raise InputError(f"a latency of {latency} cycles", where=spec, accepted=f"0 to {MOST_LATENCY}")
    if (ddr / BEAT).denominator > MOST_STEPS:
        told = f"multiples of {BEAT}/N bytes a cycle, N up to {MOST_STEPS}"
        raise InputError(f"DDR of {ddr} bytes a cycle", where=spec, accepted=told)
    experts = Experts(options["experts"], options["width"], seed, state)
    layout = Layout(experts, slots, batch)
    drawn = batches_of(experts.count, batch, batches, exponent=exponent, seed=seed)
    wanted = [expert for each in drawn for expert in each]
    prompts = experts.prompts(wanted)
    sizes = Expert("tiny", experts.weight_bytes, writable_bytes=experts.writable_bytes)
    node = fabric_node(sizes, experts.count, slots, ddr)
    work = fabric_workload(sizes, experts.width, experts.count, latency)
    trace = run(layout, prompts, ahead=ahead, ddr=ddr, latency=latency, progress=progress)
    named = [prompt.expert for prompt in trace.prompts]
    routed = [named[at : at + batch] for at in range(0, len(named), batch)]
    modelled = serve(routed, work, node, slots, ahead=ahead)
    error = _error(unpacked(trace.results, experts.width), prompts, named, experts)
    misrouted = sum(one != other for one, other in zip(named, wanted, strict=True))
    expected = hit_rate(popularity(experts.count, exponent), slots)
    measured = _measured(trace)
    return RtlServing(measured, modelled, expected, error, misrouted, experts.count, slots, ahead)


def run(
    layout: Layout,
    prompts: NDArray[np.float32],
    *,
    ahead: int = 0,
    ddr: Fraction = DDR_RATE,
    latency: int = 0,
    faults: Sequence[str] = (),
    progress: Progress | None = None,
) -> Trace:
    """Serve prompts on the RTL, with faults in its memory if there are any: lines for the host."""
    experts = layout.experts
    share = ddr / BEAT
    needed = {
        "HbmBeats": -(-layout.places["end"] // (HBM_CHANNELS * BEAT)),
        "DdrBeats": experts.count * experts.stride // BEAT,
    }
    parameters = {
        name: max(LEAST_BEATS[name], 1 << (beats - 1).bit_length()) for name, beats in needed.items()
    }
    parameters |= {"DdrNum": share.numerator, "DdrDen": share.denominator}
    folders = ("common", "sn40l")
    sources = [*rtl.sources(*folders).items(), *rtl.properties(*folders).items()]
    # Before a copy is there, those asked for ahead of it are made, each with its copy back.
    limit = PATIENCE + math.ceil(2 * (ahead + 1) * experts.stride / ddr)
    job = [*layout.job(latency=latency, ahead=ahead), f"limit {limit}", *faults]
    templates = resources.files(__name__.rpartition(".")[0]) / "backends" / "verilog" / "templates"
    with resources.as_file(templates / "sn40l" / "coe_main.cpp") as driver:
        return sn40l_coe.run(
            sources,
            driver,
            parameters,
            job,
            layout.images(),
            prompts,
            experts=experts.count,
            progress=progress,
        )


def _measured(trace: Trace) -> dict[str, Any]:
    """The RTL's counters, and the host's clock from the first batch to the last."""
    counted: Mapping[str, int] = trace.counters
    requests = len(trace.prompts)
    return {
        "requests": requests,
        "hits": counted["hits"],
        "misses": counted["misses"],
        "evictions": counted["evictions"],
        "copied_bytes": counted["channel 4 beats_read"] * BEAT,
        "written_back_bytes": counted["written_back_bytes"],
        "hit_rate": counted["hits"] / requests,
        "wait_cycles": sum(
            each.began - max(each.asked, _free(trace, at)) for at, each in enumerate(trace.prompts)
        ),
        "cycles": trace.batches[-1].ended - trace.batches[0].began,
        "kernel_cycles": counted["busy_cycles"],
        "counters": dict(counted),
    }


def _free(trace: Trace, at: int) -> int:
    """When the fabric could have begun a prompt: at the end of the one before, or of its router."""
    batch = len(trace.prompts) // len(trace.batches)
    if at % batch == 0:
        return trace.prompts[at].asked
    return trace.prompts[at - 1].ended


def _error(found: NDArray, prompts: NDArray, named: Sequence[int], experts: Experts) -> float:
    """‖out − ref‖/‖ref‖ of all results, GELU by the error function, in float64."""
    wrong = total = 0.0
    for expert in sorted(set(named)):
        mine = [at for at, each in enumerate(named) if each == expert]
        sums = prompts[mine].astype(np.float64) @ experts.weights(expert).astype(np.float64).T
        reference = MAPS["gelu"].evaluate(sums)
        wrong += float(np.sum((found[mine] - reference) ** 2))
        total += float(np.sum(reference**2))
    return float(np.sqrt(wrong / total))
