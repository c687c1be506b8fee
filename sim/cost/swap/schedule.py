"""MEMO's schedule of a step (section 4.1, figure 10): three streams, two rounding buffers, a host slab.

- Forward: layer i computes in its buffer; then its copy to the host starts, beside the next layer.
- The *input slot*: layer i writes its output where layer i + 1 has its input, in the other buffer. That slot
  is still read by the copy of the layer before in that buffer, so the write waits for it: the next layer's
  start is too late.
- The last layer's output lies outside of the buffers: they hold the last two layers until the backward.
- Backward: once the buffer's later layer is through, the copy back starts, beside the next backward; before
  its own backward a layer waits for it and recomputes what was not copied.
- The *slab*: the next step's copies overwrite what this step's copies back read. They are ordered by the
  layer's backward, which waits for the copy back.

Every wait is needed: without any one of them `streams.hazards` finds a hazard.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ....ir.errors import PlanError
from ....ir.swap_plan import BUFFERS
from .streams import Access, Task, Timeline, hazards, run

COMPUTE, OUT, BACK = "compute", "to host", "from host"
STREAMS = (COMPUTE, OUT, BACK)
PARTS = ("input", "copied", "recomputed")
"""A layer's skeletal tensors, as far as places go."""


@dataclass(frozen=True)
class LayerWork:
    """One layer.

    Attributes:
        forward_s, backward_s, recompute_s: of its computation.
        copied_bytes: to the host, and back.
        buffer: it lies in; None for memory of its own.
        swapped: whether it is copied.
    """

    forward_s: float
    backward_s: float
    recompute_s: float
    copied_bytes: float
    buffer: int | None
    swapped: bool


@dataclass(frozen=True)
class StepWork:
    """A step.

    Attributes:
        layers: in order.
        out_bytes_per_s, back_bytes_per_s: to the host, and from it.
        begin_s, head_s, finish_s: before the layers, between forward and backward, and after.

    Raises:
        PlanError: no layers, a buffer that is used again though its layer is not copied, or bad figures.
    """

    layers: tuple[LayerWork, ...]
    out_bytes_per_s: float
    back_bytes_per_s: float
    begin_s: float = 0.0
    head_s: float = 0.0
    finish_s: float = 0.0

    def __post_init__(self) -> None:
        if not self.layers:
            raise PlanError("no layers", accepted="1 or more")
        if not (self.out_bytes_per_s > 0 and self.back_bytes_per_s > 0):
            raise PlanError("a link without bandwidth", accepted="bytes per second above zero")
        later = {}
        for at, layer in reversed(list(enumerate(self.layers))):
            where = f"layer {at}"
            if layer.buffer not in (None, *range(BUFFERS)):
                raise PlanError(f"no buffer {layer.buffer}", where=where, accepted="0, 1 or none")
            if not (math.isfinite(layer.copied_bytes) and layer.copied_bytes >= 0):
                raise PlanError(f"copies {layer.copied_bytes} bytes", where=where, accepted="zero or more")
            if layer.swapped != (layer.buffer in later):
                said = "is not copied, but its buffer is used again" if layer.buffer in later else "is copied"
                raise PlanError(said, where=where, accepted="copies of all but the last layer in a buffer")
            if layer.buffer is not None:
                if later.get(layer.buffer) == at + 1:
                    raise PlanError("has the buffer of the next layer", where=where, accepted="the other one")
                later[layer.buffer] = at


def tasks(work: StepWork, steps: int = 1) -> tuple[Task, ...]:
    """Every task of some steps, in the order they are begun."""
    return tuple(task for step in range(steps) for task in _Step(work, step).tasks())


@dataclass(frozen=True)
class Step:
    """A step as it is predicted.

    Attributes:
        timeline: of its tasks.
        seconds, stall_s, recompute_s: in all, waiting for copies, and recomputing.
    """

    timeline: Timeline
    seconds: float
    stall_s: float
    recompute_s: float


def simulate(work: StepWork, steps: int = 1) -> Step:
    """Run steps, after a check that every access is ordered.

    Raises:
        PlanError: a hazard.
    """
    listed = tasks(work, steps)
    found = hazards(listed)
    if found:
        raise PlanError(f"the schedule has {len(found)} hazards: {found[0]}", accepted="ordered accesses")
    timeline = run(listed)
    again = sum(layer.recompute_s for layer in work.layers) * steps
    return Step(timeline, timeline.seconds, timeline.stall(COMPUTE), again)


class _Step:
    def __init__(self, work: StepWork, step: int) -> None:
        self.work, self.step = work, step
        self.before: dict[int, int] = {}
        self.after: dict[int, int] = {}
        last: dict[int, int] = {}
        for at, layer in enumerate(work.layers):
            if layer.buffer is not None:
                if layer.buffer in last:
                    self.before[at], self.after[last[layer.buffer]] = last[layer.buffer], at
                last[layer.buffer] = at

    def name(self, what: str) -> str:
        return f"{self.step}/{what}"

    def parts(self, at: int, *parts: str) -> tuple[Access, ...]:
        """Places of parts of a layer's tensors."""
        buffer = self.work.layers[at].buffer
        where = f"buffer {buffer}" if buffer is not None else f"layer {at}"
        return tuple(Access(f"{where}, {part}", self.name(f"{at}")) for part in parts)

    def slab(self, at: int) -> tuple[Access, ...]:
        return (Access(f"slab, layer {at}", self.name(f"{at}")),)

    def tasks(self) -> Iterator[Task]:
        work, layers = self.work, self.work.layers
        yield self.compute("begin", work.begin_s, writes=self.parts(0, "input"))
        for at in range(len(layers)):
            yield from self.forward(at)
        hidden = (Access("output", self.name("output")),)
        yield self.compute("head", work.head_s, reads=hidden)
        for at in reversed(range(len(layers))):
            yield from self.backward(at)
        yield self.compute("finish", work.finish_s)

    def compute(
        self,
        what: str,
        seconds: float,
        *,
        waits: Sequence[str] = (),
        reads: tuple[Access, ...] = (),
        writes: tuple[Access, ...] = (),
    ) -> Task:
        waited = tuple(self.name(each) for each in waits)
        return Task(self.name(what), COMPUTE, seconds, waited, reads, writes)

    def forward(self, at: int) -> Iterator[Task]:
        layers, layer = self.work.layers, self.work.layers[at]
        made = self.parts(at, *PARTS[1:])
        yield self.compute(f"forward {at}", layer.forward_s, reads=self.parts(at, "input"), writes=made)
        if layer.swapped:
            seconds = layer.copied_bytes / self.work.out_bytes_per_s
            there = self.parts(at, *PARTS[:2])
            waits = (self.name(f"forward {at}"),)
            yield Task(self.name(f"out {at}"), OUT, seconds, waits, there, self.slab(at))
        last = at + 1 == len(layers)
        slot = (Access("output", self.name("output")),) if last else self.parts(at + 1, "input")
        waits = [f"out {self.before[at + 1]}"] if at + 1 in self.before else []
        yield self.compute(f"output {at}", 0.0, waits=waits, reads=made, writes=slot)

    def backward(self, at: int) -> Iterator[Task]:
        layer = self.work.layers[at]
        waits = [f"back {at}"] if layer.swapped else []
        if layer.recompute_s:
            kept, again = self.parts(at, *PARTS[:2]), self.parts(at, PARTS[2])
            yield self.compute(f"recompute {at}", layer.recompute_s, waits=waits, reads=kept, writes=again)
            waits = []
        elif layer.swapped:  # nothing was left out: what is copied back is all there is
            yield self.compute(f"whole {at}", 0.0, waits=waits, writes=self.parts(at, PARTS[2]))
            waits = []
        yield self.compute(f"backward {at}", layer.backward_s, waits=waits, reads=self.parts(at, *PARTS))
        for earlier, later in self.after.items():
            if later == at:
                yield self.back(earlier, at)

    def back(self, at: int, later: int) -> Task:
        """The copy back of a layer, once a later one is through with its buffer."""
        seconds = self.work.layers[at].copied_bytes / self.work.back_bytes_per_s
        waits = (self.name(f"backward {later}"),)
        return Task(self.name(f"back {at}"), BACK, seconds, waits, self.slab(at), self.parts(at, *PARTS[:2]))
