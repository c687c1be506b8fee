"""Which operators rebuild a layer's skeletal tensors from those that are there, and what they cost.

Outside of attention every operator of a forward treats tokens apart, so a slice of tokens is rebuilt from
slices (MEMO, section 4.1). A tensor's operators go back to the nearest skeletal ones, through transients.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...ir.step_profile import SKELETAL, Segment, StepProfile, Storage
from ...ir.swap_plan import KEPT
from ...sim.cost.swap.machine import Machine


@dataclass(frozen=True)
class Rebuilding:
    """A layer's forward, as far as it may have to be done again.

    Attributes:
        segment: the forward.
        tensors: skeletal ones, in order.
        needs: tensor → numbers of the operators that rebuild it; none for the layer's input.
    """

    segment: Segment
    tensors: tuple[Storage, ...]
    needs: Mapping[str, frozenset[int]]

    def operators(self) -> tuple[int, ...]:
        """All of them, in order."""
        return tuple(sorted(set().union(*self.needs.values())))


def rebuilding(profile: StepProfile, layer: int) -> Rebuilding:
    """How a layer's tensors are rebuilt."""
    segment = profile.by_name[f"forward/{layer}"]
    numbers = {
        number: storage
        for number, storage in enumerate(profile.storages)
        if storage.role == SKELETAL and storage.layer == layer
    }
    maker: dict[int, int] = {}
    for at in range(segment.start, segment.end):
        for number in profile.operations[at].writes:
            maker.setdefault(number, at)
    needs = {}
    for number, storage in numbers.items():
        found: set[int] = set()
        if storage.name != "input" and storage.kind != KEPT:
            _follow(profile, number, maker, set(numbers), found)
        needs[storage.name] = frozenset(found)
    return Rebuilding(segment, tuple(numbers.values()), needs)


def _follow(
    profile: StepProfile, number: int, maker: Mapping[int, int], stops: set[int], found: set[int]
) -> None:
    at = maker.get(number)
    if at is None or at in found:
        return
    found.add(at)
    for each in profile.operations[at].reads:
        if each not in stops:
            _follow(profile, each, maker, stops, found)


def seconds(profile: StepProfile, at: int, machine: Machine) -> float:
    """Time of one operator on one rank, which has its share of the tokens."""
    operation = profile.operations[at]
    return machine.compute_s(operation.flops / machine.gpus, operation.moved_bytes / machine.gpus)


def segment_s(profile: StepProfile, name: str, machine: Machine) -> float:
    """Time of a segment; 0 where there is none of the name."""
    segment = profile.by_name.get(name)
    if segment is None:
        return 0.0
    return sum(seconds(profile, at, machine) for at in range(segment.start, segment.end))
