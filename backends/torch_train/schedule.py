"""The order of one training step on three lanes: which event waits for which.

Layer i is computed in its buffer, copied to the host under the next layer's forward, and fetched again once
the backward of the layer that took its buffer over is done (MEMO, SIGMOD 2025, arXiv 2407.12117, section 4.1
and figure 10). A layer's output is written where the next one has its input, in a buffer that an earlier
layer may still be copied from: that wait stands before the output's write, not before the next layer.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence

from torch import Tensor

from ...ir.errors import InputError
from .lanes import COMPUTE, D2H, H2D, Event, Lanes
from .memory import LayerMemory
from .skeletal import INPUT

FORWARD_DONE, OFFLOADED, BACKWARD_DONE, FETCHED = "forward done", "offloaded", "backward done", "fetched"


class Schedule:
    """Events of all layers, and where a step stands.

    Every method gives work or waits to lanes; none of them blocks on a GPU.
    """

    def __init__(self, lanes: Lanes, layers: Sequence[LayerMemory]) -> None:
        self.lanes = lanes
        self._layers = layers
        self._after = {layer.before: at for at, layer in enumerate(layers) if layer.before is not None}
        self._events = {
            kind: [Event(kind, at) for at in range(len(layers))]
            for kind in (FORWARD_DONE, OFFLOADED, BACKWARD_DONE, FETCHED)
        }
        self._step = 0
        self._next = 0
        self._cleared: set[int] = set()
        self._live: set[int] = set()
        self._fetched: set[int] = set()
        self._copying: dict[Event, None] = {}  # copies that the compute lane has not waited for
        self._given: dict[int, weakref.ref[Tensor]] = {}  # by address, the last output that lies there

    def forward(self, layer: int) -> int:
        """A layer's forward begins: its buffer is free when this returns on the compute lane.

        Returns:
            The step, which `backward` asks for.
        """
        if layer < self._next or self._next == 0:
            self._begin()
        self._next = layer + 1
        self._live.add(layer)
        self._clear(layer)
        own = self._layers[layer]
        made = [each for each in own.within if each.data_ptr() != own.places[INPUT].data_ptr()]
        self.lanes.touch((), made)
        return self._step

    def write_input(self, layer: int) -> None:
        """The compute lane is about to write a layer's input, as that layer or as the one before it.

        Raises:
            InputError: somebody still holds what lies there.
        """
        self._clear(layer)
        self._check_given(layer)
        if self._layers[layer].within:
            self.lanes.touch((), [self._layers[layer].places[INPUT]])

    def give(self, layer: int, output: Tensor) -> None:
        """An output that lies where this layer, the next, has its input goes to the caller."""
        self._given[self._layers[layer].places[INPUT].data_ptr()] = weakref.ref(output)

    def forward_done(self, layer: int) -> None:
        """A layer's forward is over; it goes to the host unless it is the last in its buffer."""
        own = self._layers[layer]
        done = self._events[FORWARD_DONE][layer]
        self.lanes.record(COMPUTE, done)
        if own.offload:
            self.lanes.wait(D2H, done)
            self.lanes.copy(D2H, own.offload)
            self._copied(D2H, self._events[OFFLOADED][layer])

    def backward(self, layer: int, step: int) -> None:
        """A layer's backward begins: what was swapped of it is back when this returns on the compute lane.

        Raises:
            InputError: the layer's activations are gone.
        """
        if step != self._step or layer not in self._live:
            raise InputError(
                "its activations are gone: a later forward or backward took their memory",
                where=f"layer {layer}",
                accepted="one backward after each forward, before the next forward",
            )
        self._live.discard(layer)
        own = self._layers[layer]
        if not own.resident:
            if layer not in self._fetched:
                self._fetch(layer, self._after[layer])
            self._await(self._events[FETCHED][layer])
        self.lanes.touch(own.within, own.within)

    def backward_done(self, layer: int) -> None:
        """A layer's backward is over: the layer before it in its buffer is fetched."""
        before = self._layers[layer].before
        if before is not None and before in self._live:
            self._fetch(before, layer)

    def _begin(self) -> None:
        """A new step: copies that the last one left behind are over before buffers and slab are written."""
        self.lanes.begin()
        for event in tuple(self._copying):
            self._await(event)
        for each in (self._cleared, self._live, self._fetched):
            each.clear()
        self._step += 1

    def _clear(self, layer: int) -> None:
        """The layer before in this one's buffer has been copied; asked once a step."""
        before = self._layers[layer].before
        if before is not None and layer not in self._cleared:
            self._cleared.add(layer)
            self._await(self._events[OFFLOADED][before])

    def _fetch(self, layer: int, after: int) -> None:
        own = self._layers[layer]
        self._fetched.add(layer)
        if own.fetch:
            self._check_given(layer)
            freed = self._events[BACKWARD_DONE][after]
            self.lanes.record(COMPUTE, freed)
            self.lanes.wait(H2D, freed)
            self.lanes.wait(H2D, self._events[OFFLOADED][layer])
            self.lanes.copy(H2D, own.fetch)
            self._copied(H2D, self._events[FETCHED][layer])

    def _check_given(self, layer: int) -> None:
        given = self._given.pop(self._layers[layer].places[INPUT].data_ptr(), None)
        if given is not None and given() is not None:
            raise InputError(
                "an earlier layer's output is still held when its memory is used again",
                where=f"layer {layer}",
                accepted="a layer's output given to the next layer alone; elsewhere a clone of it",
            )

    def _copied(self, lane: str, event: Event) -> None:
        self.lanes.record(lane, event)
        self._copying[event] = None

    def _await(self, event: Event) -> None:
        """The compute lane waits for a copy, if it has not yet."""
        if event in self._copying:
            del self._copying[event]
            self.lanes.wait(COMPUTE, event)
