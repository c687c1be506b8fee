"""What a plan's choices cost on one rank: times of a layer's parts, sizes of its tensors, fixed memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from ...ir.errors import PlanError
from ...ir.step_profile import StepProfile
from ...ir.swap_plan import ALIGN, ALWAYS, BUFFERS, KEEP, KEPT, TOKEN, LayerPlan, Skeletal, SwapPlan, place
from ...sim.cost.swap import LayerCost
from ...sim.cost.swap.machine import Machine
from ...sim.cost.swap.schedule import LayerWork, StepWork
from .lives import tails
from .recompute import Rebuilding, rebuilding, seconds, segment_s

STATE_BYTES: Mapping[str, int] = {"bf16": 14, "f32": 12}
"""Of a parameter on the device all the time: itself and Adam's, for bf16 with a copy in f32; no gradients."""
TRAINING = 3
"""A model's operations over its forward's, nothing recomputed: what its share of the peak is counted by."""


@dataclass(frozen=True)
class Costs:
    """A step's profile on a machine.

    Attributes:
        profile: of the whole step, all ranks together.
        machine: one rank.
        align: tokens that splits are multiples of.
        measured: forward and backward of one layer in seconds, instead of the cost model's.

    Raises:
        PlanError: the ranks cannot share the tokens evenly.
    """

    profile: StepProfile
    machine: Machine
    align: int = ALIGN
    measured: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.profile.tokens % self.machine.gpus:
            said = f"{self.profile.tokens} tokens for {self.machine.gpus} ranks"
            raise PlanError(said, accepted=f"a multiple of {self.machine.gpus}")

    @property
    def layers(self) -> int:
        """Of the model."""
        return self.profile.layers

    @property
    def tokens(self) -> int:
        """Of one rank."""
        return self.profile.tokens // self.machine.gpus

    @property
    def typical(self) -> int:
        """The layer whose figures stand for all."""
        return min(1, self.layers - 1)

    @cached_property
    def again(self) -> Rebuilding:
        """How its tensors are rebuilt."""
        return rebuilding(self.profile, self.typical)

    @cached_property
    def tensors(self) -> tuple[Skeletal, ...]:
        """Skeletal tensors of a layer."""
        return tuple(Skeletal(s.name, s.bytes // self.profile.tokens, s.kind) for s in self.again.tensors)

    def bytes(self, tensor: Skeletal) -> int:
        """Of a tensor, of all tokens of a rank."""
        return place(tensor.token_bytes * self.tokens)

    @cached_property
    def forward_s(self) -> float:
        """Of one layer."""
        if self.measured is not None:
            return self.measured[0]
        return segment_s(self.profile, f"forward/{self.typical}", self.machine)

    @cached_property
    def backward_s(self) -> float:
        """Of one layer, nothing recomputed."""
        if self.measured is not None:
            return self.measured[1]
        return segment_s(self.profile, f"backward/{self.typical}", self.machine)

    @cached_property
    def operators_s(self) -> Mapping[int, float]:
        """Times of the operators that may be done again; parts of the measured forward where there is one."""
        found = {at: seconds(self.profile, at, self.machine) for at in self.again.operators()}
        if self.measured is None:
            return found
        share = self.measured[0] / segment_s(self.profile, f"forward/{self.typical}", self.machine)
        return {at: share * each for at, each in found.items()}

    def recompute_s(self, shares: Mapping[str, float]) -> float:
        """Of rebuilding these fractions of a layer's tensors; operators that several need run once."""
        needed: dict[int, float] = {}
        for name, share in shares.items():
            for at in self.again.needs[name] if share else ():
                needed[at] = max(share, needed.get(at, 0.0))
        return sum(share * self.operators_s[at] for at, share in needed.items())

    @cached_property
    def layer(self) -> LayerCost:
        """A layer as the paper's closed form sees it."""
        sizes = {kind: sum(self.bytes(t) for t in self.tensors if t.kind == kind) for kind in (ALWAYS, TOKEN)}
        every = {tensor.name: 1.0 for tensor in self.tensors if tensor.kind == TOKEN}
        return LayerCost(
            sizes[ALWAYS], sizes[TOKEN], self.forward_s, self.backward_s, self.recompute_s(every)
        )

    @cached_property
    def buffer_bytes(self) -> int:
        """Of one rounding buffer, which holds all of a layer but the smallest tensors."""
        return sum(self.bytes(tensor) for tensor in self.tensors if tensor.kind != KEPT)

    @property
    def fixed_bytes(self) -> int:
        """Parameters and optimiser state of a rank; gradients are in the arena."""
        return -(-self.profile.parameters * STATE_BYTES[self.profile.dtype] // self.machine.gpus)

    @cached_property
    def forward_flops(self) -> int:
        """Operations of the model's forward, all ranks together; half of the head is its backward's."""
        names = [s.name for s in self.profile.segments if s.name.startswith("forward/") or s.name == "begin"]
        layers = sum(self.profile.flops(self.profile.by_name[name]) for name in names)
        return layers + self.profile.flops(self.profile.by_name["head"]) // TRAINING

    def mfu(self, step_s: float) -> float:
        """Share of all ranks' peak that the model's own operations are, in a step of so many seconds."""
        peak = self.machine.flops_per_s * self.machine.gpus
        return TRAINING * self.forward_flops / (peak * step_s)

    def own_bytes(self, plan: SwapPlan, layer: LayerPlan) -> int:
        """Of a layer's tensors that lie in memory of their own."""
        outside = layer.swapped or layer.buffer is None
        return sum(
            self.bytes(tensor)
            for tensor, action in zip(plan.tensors, layer.actions, strict=True)
            if tensor.kind == KEPT or (outside and action.action == KEEP)
        )

    def kept_bytes(self, plan: SwapPlan) -> int:
        """Of all layers' tensors in memory of their own."""
        return sum(self.own_bytes(plan, layer) for layer in plan.layers)

    @cached_property
    def around_s(self) -> float:
        """Of a step outside of its layers: embedding, classifier, and what follows."""
        return sum(self._parts_s)

    @cached_property
    def _parts_s(self) -> tuple[float, float, float]:
        """Before the layers, between forward and backward, and after."""
        begin, head, finish = (
            segment_s(self.profile, name, self.machine) for name in ("begin", "head", "finish")
        )
        return begin, head, finish

    def work(self, plan: SwapPlan) -> StepWork:
        """The step under a plan, for the simulator."""
        rate = self.machine.link_bytes_per_s
        layers = tuple(self._layer_work(plan, layer) for layer in plan.layers)
        return StepWork(layers, rate, rate, *self._parts_s)

    def _layer_work(self, plan: SwapPlan, layer: LayerPlan) -> LayerWork:
        return LayerWork(
            forward_s=self.forward_s,
            backward_s=self.backward_s,
            recompute_s=self.recompute_s(tails(plan, layer.index)),
            copied_bytes=plan.swapped_bytes(layer.index),
            buffer=layer.buffer,
            swapped=layer.swapped,
        )

    def swapped_layers(self) -> int:
        """Layers that the paper swaps."""
        return max(0, self.layers - BUFFERS)
