"""A Composition of Experts served without showing who answers: accesses of its maps, counted and expected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .ir.bundle import open_bundle
from .ir.targets import load
from .progress import Progress
from .serving import exponent_of
from .sim.bolt import cost
from .sim.bolt.config import BoltConfig
from .sim.bolt.counters import Counters
from .sim.bolt.pipeline import Pipeline
from .sim.cost.coe import batches_of

CARD = "bolt-u55c"


@dataclass(frozen=True)
class MapUse:
    """One map's part: counted while prompts were served, and what any prompts of their number take.

    Attributes:
        config: its sizes.
        counted: by the map.
        expected_accesses: the number of prompts times that of a prompt; no more, no fewer.
    """

    config: BoltConfig
    counted: Counters
    expected_accesses: int

    @property
    def ok(self) -> bool:
        """As many accesses as the prompts' number says, every page that was read written again."""
        same = self.counted.host_reads == self.counted.host_writes
        return same and self.counted.accesses == self.expected_accesses

    def to_json(self) -> dict[str, Any]:
        """As a JSON object; times are the cycle model's of the card at its clock."""
        pages = self.counted.host_reads + self.counted.host_writes
        return {
            "accesses": self.counted.accesses,
            "expected_accesses": self.expected_accesses,
            "host_pages": pages,
            "expected_host_pages": 2 * cost.bolt(self.config).places * self.expected_accesses,
            "host_bytes": pages * self.config.page_bytes,
            "keys": self.config.capacity,
            "card_s": self._card_s(),
        }

    def _card_s(self) -> float:
        (unit,) = load(CARD).map
        latency = unit.host_latency_cycles
        pipeline = Pipeline(
            unit.accesses_in_flight, unit.hbm_deadline_cycles, latency, latency, unit.lane_pairs
        )
        rate = pipeline.cycles_per_access(self.config, accesses=500)
        return self.expected_accesses * rate / unit.clock_hz


@dataclass(frozen=True)
class PrivateServing:
    """What serving came to.

    Attributes:
        private: what is hidden.
        requests: prompts answered.
        differing: answers that are not, bit for bit, those of the experts' own images read in the open.
        seconds: spent by the router, fetching and running.
        maps: each map's part, by what it holds.
        experts: of the composition.
    """

    private: Sequence[str]
    requests: int
    differing: int
    seconds: Mapping[str, float]
    maps: Mapping[str, MapUse]
    experts: int

    @property
    def ok(self) -> bool:
        """Right answers, and the same work whoever answered."""
        return not self.differing and all(use.ok for use in self.maps.values())

    def to_json(self) -> dict[str, Any]:
        """All of it as a JSON object."""
        return {
            "experts": self.experts,
            "private": list(self.private),
            "requests": self.requests,
            "differing": self.differing,
            **self.seconds,
            "maps": {name: use.to_json() for name, use in self.maps.items()},
            "ok": self.ok,
        }

    def rows(self) -> list[tuple[object, ...]]:
        """A line a quantity of a map: counted, and expected of so many prompts."""
        lines: list[tuple[object, ...]] = []
        for name, use in self.maps.items():
            found = use.to_json()
            for each in ("accesses", "host_pages"):
                lines.append((f"{name}: {each}", found[each], round(found[f"expected_{each}"])))
        return lines

    def findings(self) -> list[str]:
        """What else there is to say, a line each."""
        card = sum(use.to_json()["card_s"] for use in self.maps.values())
        moved = sum(use.to_json()["host_bytes"] for use in self.maps.values())
        spent = ", ".join(f"{name} {seconds:.3g}" for name, seconds in self.seconds.items())
        same = "bit for bit those of images read in the open"
        return [
            f"hidden: {', '.join(self.private)}",
            f"{moved:,} bytes moved on the host; {spent}; {CARD} by the cycle model: {card:.3g} s",
            f"{self.differing} answers differ" if self.differing else f"answers are {same}",
        ]


def is_private(path: str | Path) -> bool:
    """Whether a bundle is a composition whose choice is private.

    Raises:
        BundleError: it is missing, corrupt or of another schema version.
    """
    from .backends.cpu.experts import BACKEND

    facts = open_bundle(path).manifest["backends"].get(BACKEND) or {}
    return bool(facts.get("private"))


def serve_private(
    path: str | Path,
    *,
    batch: int = 8,
    batches: int = 100,
    requests: str = "uniform",
    threads: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> PrivateServing:
    """Serve random prompts, hold the answers to those in the open and the maps' work to the prompts' number.

    Args:
        path: a bundle of ``zoo:coe`` compiled with ``--private``.
        batch, batches: prompts of a batch, and how many batches.
        requests: ``uniform``, ``zipf:EXPONENT``, or ``routed`` by the router.
        threads: of a run.
        seed: of prompts and requests; the maps' secrets are the operating system's.
        progress: told of each batch.

    Raises:
        PenstockError: a subclass that says what is wrong.
    """
    from .backends.cpu.private_experts import PrivateExperts
    from .frontend.zoo.coe import prompts

    exponent = exponent_of(requests)
    if progress is not None:
        progress("filling the maps", 0, None)
    experts = PrivateExperts(path, threads=threads)
    opened = experts.composition
    asked = prompts(batch * batches, opened.length, seed).numpy().reshape(batches, batch, -1)
    drawn = None
    if exponent is not None:
        drawn = batches_of(opened.count, batch, batches, exponent=exponent, seed=seed)
    differing = 0
    for number, given in enumerate(asked):
        if progress is not None:
            progress("batches", number, batches)
        chosen = experts.route(given)
        named = chosen if drawn is None else drawn[number]
        answers, wanted = experts.run(given, named), experts.in_the_open(given, named)
        differing += sum(
            one.logits.tobytes() != other.logits.tobytes() for one, other in zip(answers, wanted, strict=True)
        )
    counted = experts.counters
    seconds = {name: getattr(counted, name) for name in ("router_s", "fetch_s", "run_s")}
    each = experts.accesses_of_a_prompt
    maps = {
        name: MapUse(map_.config, map_.counters, counted.requests * each[name])
        for name, map_ in experts.maps.items()
    }
    return PrivateServing(opened.private, counted.requests, differing, seconds, maps, opened.count)
