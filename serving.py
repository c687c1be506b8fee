"""A Composition of Experts at work beside the cost model: the same requests, counted and timed in both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .ir.bundle import open_bundle
from .ir.errors import InputError
from .progress import Progress
from .sim.cost.coe import Expert, Node, Served, Workload, batches_of, hit_rate, popularity
from .sim.cost.coe import serve as serve_modelled

if TYPE_CHECKING:
    from .backends.cpu.experts import Machine

ROUTED = "routed"
SLOTS = 8
"""Experts kept near, where nobody says otherwise."""
COUNTS = ("requests", "hits", "misses", "evictions", "copied_bytes", "written_back_bytes")
"""Counters that the runtime and the model share; these must be equal."""


@dataclass(frozen=True)
class Serving:
    """What serving came to, measured and modelled.

    Attributes:
        measured: the runtime's counters.
        modelled: the cost model's, given the measured times of a router, a run and a copied byte.
        expected_hit_rate: of independent requests of this popularity; None where the router chose.
        experts, slots, ahead: what was served, and how.
    """

    measured: dict[str, Any]
    modelled: Served
    expected_hit_rate: float | None
    experts: int
    slots: int
    ahead: int

    @property
    def ok(self) -> bool:
        """Whether runtime and model count the same."""
        return all(self.measured[name] == getattr(self.modelled, name) for name in COUNTS)

    def to_json(self) -> dict[str, Any]:
        """Both as a JSON object."""
        return {
            "experts": self.experts,
            "slots": self.slots,
            "ahead": self.ahead,
            "measured": {**self.measured, "hit_rate": self._hit_rate},
            "modelled": self.modelled.to_json(),
            "expected_hit_rate": self.expected_hit_rate,
            "ok": self.ok,
        }

    @property
    def _hit_rate(self) -> float:
        return self.measured["hits"] / self.measured["requests"]

    def rows(self) -> list[tuple[object, ...]]:
        """A line a quantity: measured and modelled."""
        names = (*COUNTS, "router_s", "run_s", "wait_s")
        lines: list[tuple[object, ...]] = [(n, self.measured[n], getattr(self.modelled, n)) for n in names]
        return [*lines, ("hit_rate", self._hit_rate, self.modelled.hit_rate)]


def serve(
    path: str | Path,
    slots: int,
    *,
    ahead: int = 0,
    batch: int = 8,
    batches: int = 100,
    requests: str = "uniform",
    threads: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Serving:
    """Serve random prompts from a composition's bundle, and model it.

    Args:
        path: the bundle.
        slots: experts the near memory holds.
        ahead: of a batch's next experts, how many are copied while one runs.
        batch, batches: prompts of a batch, and how many batches.
        requests: ``uniform``, ``zipf:EXPONENT``, or ``routed`` by the router.
        threads: of a run.
        seed: of prompts and requests.
        progress: told of each batch.

    Raises:
        PenstockError: a subclass that says what is wrong.
    """
    from .backends.cpu.experts import Composition
    from .frontend.zoo.coe import prompts

    exponent = exponent_of(requests)
    with Composition(path, slots, ahead=ahead, threads=threads, machine=_machine(path)) as composition:
        asked = prompts(batch * batches, composition.length, seed).numpy().reshape(batches, batch, -1)
        drawn = None
        if exponent is not None:
            drawn = batches_of(composition.count, batch, batches, exponent=exponent, seed=seed)
        named: list[Sequence[int]] = []
        for number, given in enumerate(asked):
            if progress is not None:
                progress("batches", number, batches)
            chosen = composition.route(given)
            named.append(chosen if drawn is None else drawn[number])
            composition.run(given, named[-1])
        counted = composition.counters
        work = Workload(
            Expert("image", composition.image_bytes),
            counted.router_s / batches,
            counted.run_s / counted.requests,
        )
        rate = counted.copied_bytes / counted.copy_s if counted.copy_s else float("1e30")
        size = composition.image_bytes
        node = Node("cpu", "slots", "files", slots * size, composition.count * size, rate, rate, rate)
        modelled = serve_modelled(named, work, node, slots, ahead=ahead)
        expected = None
        if exponent is not None:
            expected = hit_rate(popularity(composition.count, exponent), slots)
        return Serving(counted.to_json(), modelled, expected, composition.count, slots, ahead)


def _machine(path: str | Path) -> Machine | None:
    """The GPU, where the bundle is for one; None: this machine's CPU."""
    from .backends.cpu.experts import BACKEND

    facts = open_bundle(path).manifest["backends"].get(BACKEND) or {}
    if facts.get("machine") != "cuda":
        return None
    from .backends.cuda.slots import GpuMachine

    return GpuMachine()


def exponent_of(requests: str) -> float | None:
    """Zipf's exponent of how requests are drawn, 0 for uniform; None where the router chooses.

    Raises:
        InputError: none of these.
    """
    if requests == ROUTED:
        return None
    if requests == "uniform":
        return 0.0
    kind, _, number = requests.partition(":")
    try:
        exponent = float(number)
    except ValueError:
        exponent = -1.0
    if kind != "zipf" or not 0 <= exponent < float("inf"):
        raise InputError(
            f"requests {requests!r}", where="penstock serve", accepted="uniform, zipf:1.0 or routed"
        )
    return exponent
