"""The schedule's waits: with all of them nothing conflicts; each that is left out is found.

Two witnesses: `WatchedLanes` knows what is ordered by events alone, and `LateLanes` copies as late as events
allow, so that a wait too few gives wrong gradients every time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import penstock
from penstock.backends.torch_train import Memo
from penstock.backends.torch_train.lanes import COMPUTE, D2H, H2D, Copy, Event, Lanes
from penstock.backends.torch_train.schedule import BACKWARD_DONE, FETCHED, FORWARD_DONE, OFFLOADED
from penstock.backends.torch_train.thread_lanes import ThreadLanes
from penstock.ir.swap_plan import SwapPlan

from .watched_lanes import WatchedLanes

Build = Callable[..., Any]
Tokens = Callable[[int, int], Tensor]
Loss = Callable[[nn.Module, Tensor], Tensor]
Gradients = Callable[[nn.Module, Tensor], dict[str, Tensor]]
Differing = Callable[[dict[str, Tensor], dict[str, Tensor]], list[str]]

LAYERS, LENGTH = 6, 128


@dataclass
class LateLanes:
    """Lanes that copy only when somebody waits for it: the latest that events allow."""

    jobs: dict[str, list[Callable[[], object]]] = field(default_factory=lambda: {D2H: [], H2D: []})

    def begin(self) -> None:
        pass

    def record(self, lane: str, event: Event) -> None:
        event.mark = (lane, len(self.jobs[lane])) if lane != COMPUTE else (lane, 0)

    def wait(self, lane: str, event: Event) -> None:
        if event.mark is None or event.mark[0] == COMPUTE:
            return
        if lane == COMPUTE:
            self._until(*event.mark)
        else:
            mark = event.mark
            self.jobs[lane].append(lambda: self._until(*mark))

    def copy(self, lane: str, copies: Sequence[Copy]) -> None:
        self.jobs[lane] += [lambda t=target, s=source: t.copy_(s) for target, source in copies]

    def touch(self, reads: Sequence[Tensor], writes: Sequence[Tensor]) -> None:
        pass

    def finish(self) -> None:
        for lane, jobs in self.jobs.items():
            self._until(lane, len(jobs))

    def close(self) -> None:
        for jobs in self.jobs.values():  # not made now: the collector may close while another model is traced
            jobs.clear()

    def _until(self, lane: str, count: int) -> None:
        with torch.no_grad():
            for at, job in enumerate(self.jobs[lane][:count]):
                self.jobs[lane][at] = _nothing
                job()


def _nothing() -> None:
    pass


class Without:
    """Passes everything on to other lanes but the waits of one lane for one kind of event."""

    def __init__(self, lanes: Lanes, lane: str, kind: str) -> None:
        self.inner, self.left_out, self.count = lanes, (lane, kind), 0

    def wait(self, lane: str, event: Event) -> None:
        if (lane, event.kind) == self.left_out:
            self.count += 1
        else:
            self.inner.wait(lane, event)

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)


class WithoutAtBegin(Without):
    """Leaves waits out only between a step's begin and its first work: those for what the last step left."""

    beginning = False

    def begin(self) -> None:
        self.beginning = True
        self.inner.begin()

    def touch(self, reads: Sequence[Tensor], writes: Sequence[Tensor]) -> None:
        self.beginning = False
        self.inner.touch(reads, writes)

    def wait(self, lane: str, event: Event) -> None:
        if self.beginning:
            super().wait(lane, event)
        else:
            self.inner.wait(lane, event)


class TrapLanes(Without):
    """Waits for copies to the host as the paper's prose has it: when the next but one layer begins.

    The layer between writes its output into that layer's input before.
    """

    def __init__(self, lanes: Lanes) -> None:
        super().__init__(lanes, COMPUTE, OFFLOADED)
        self.late: list[Event] = []

    def wait(self, lane: str, event: Event) -> None:
        if (lane, event.kind) == self.left_out:
            self.count += 1
            self.late.append(event)
        else:
            self.inner.wait(lane, event)

    def record(self, lane: str, event: Event) -> None:
        self.inner.record(lane, event)
        if event.kind == FORWARD_DONE:  # the layer that wrote the output is over, the next begins
            while self.late:
                self.inner.wait(COMPUTE, self.late.pop())


def wrapped(model: nn.Module, lanes: Any, alpha: float = 0.5) -> Memo:
    return Memo(model, SwapPlan.uniform(LAYERS, LENGTH, alpha, 32), lanes=lanes)


def early_exit(model: Any, ids: Tensor) -> Tensor:
    """A loss on the fourth of six layers' output: what was copied is in the buffers still."""
    x = model.wte(ids) + model.wpe.weight[: ids.shape[1]]
    for block in model.h[:4]:
        x = block(x)
    return F.linear(model.ln_f(x), model.wte.weight).square().mean()


def late_part(model: Any, ids: Tensor) -> Tensor:
    """A backward that stops at the fourth layer: fetches for earlier ones stay behind."""
    x = model.wte(ids) + model.wpe.weight[: ids.shape[1]]
    for block in model.h:
        x = block(x)
    loss = F.linear(model.ln_f(x), model.wte.weight).square().mean()
    torch.autograd.grad(loss, list(model.h[3].parameters()))
    return loss


def steps(model: Any, lanes: Any, ids: Tensor, loss: Loss) -> None:
    """A whole step, one that exits early, one without a backward, one with half of it, and a whole one."""
    memo = wrapped(model, lanes)
    loss(memo, ids).backward()
    early_exit(model, ids).backward()
    early_exit(model, ids)
    late_part(model, ids)
    loss(memo, ids).backward()
    memo.close()


@pytest.mark.parametrize("alpha", [0, 0.5, 1])
def test_with_all_waits_nothing_conflicts(alpha: float, build: Build, tokens: Tokens, loss: Loss) -> None:
    lanes = WatchedLanes(ThreadLanes())
    memo = wrapped(build("gpt", layers=LAYERS), lanes, alpha)
    for _ in range(3):
        loss(memo, tokens(1, LENGTH)).backward()
    assert lanes.hazards == []


def test_nor_where_steps_are_cut_short(build: Build, tokens: Tokens, loss: Loss) -> None:
    lanes = WatchedLanes(ThreadLanes())
    steps(build("gpt", layers=LAYERS), lanes, tokens(1, LENGTH), loss)
    assert lanes.hazards == []


WAITS = [
    (COMPUTE, OFFLOADED),
    (D2H, FORWARD_DONE),
    (H2D, BACKWARD_DONE),
    (H2D, OFFLOADED),
    (COMPUTE, FETCHED),
]


@pytest.mark.parametrize("wait", WAITS, ids=lambda each: f"{each[0]} for {each[1]}")
def test_each_wait_left_out_is_a_hazard(
    wait: tuple[str, str], build: Build, tokens: Tokens, loss: Loss
) -> None:
    watched = WatchedLanes(ThreadLanes())
    lanes = Without(watched, *wait)
    steps(build("gpt", layers=LAYERS), lanes, tokens(1, LENGTH), loss)
    assert lanes.count
    assert watched.hazards


@pytest.mark.parametrize("kind", [OFFLOADED, FETCHED])
def test_copies_that_a_step_leaves_behind_are_waited_for_by_the_next(
    kind: str, build: Build, tokens: Tokens, loss: Loss
) -> None:
    watched = WatchedLanes(ThreadLanes())
    lanes = WithoutAtBegin(watched, COMPUTE, kind)
    steps(build("gpt", layers=LAYERS), lanes, tokens(1, LENGTH), loss)
    assert lanes.count
    assert watched.hazards


def test_waiting_only_where_the_next_but_one_layer_begins_is_too_late(
    build: Build, tokens: Tokens, loss: Loss
) -> None:
    """The trap: the layer in between writes its output into that layer's input."""
    watched = WatchedLanes(ThreadLanes())
    lanes = TrapLanes(watched)
    loss(wrapped(build("gpt", layers=LAYERS), lanes), tokens(1, LENGTH)).backward()
    assert lanes.count
    assert {(each.earlier, each.later) for each in watched.hazards} == {("d2h reads", "compute writes")}
    width = 64 * torch.float32.itemsize
    assert {each.bytes for each in watched.hazards} == {LENGTH * width}, "the input alone is hit"


@pytest.mark.parametrize(
    "wait",
    [(COMPUTE, OFFLOADED), (COMPUTE, FETCHED)],
    ids=lambda each: f"{each[0]} for {each[1]}",
)
def test_gradients_are_wrong_where_copies_are_late_and_not_waited_for(
    wait: tuple[str, str],
    build: Build,
    tokens: Tokens,
    gradients: Gradients,
    differing: Differing,
) -> None:
    model, ids = build("gpt", layers=LAYERS), tokens(1, LENGTH)
    plain = gradients(model, ids)
    memo = wrapped(model, LateLanes())
    assert differing(gradients(memo, ids), plain) == []
    assert differing(gradients(memo, ids.flip(1)), plain) != [], "other tokens have other gradients"
    assert differing(gradients(memo, ids), plain) == []
    memo.close()
    memo = wrapped(model, Without(LateLanes(), *wait))
    gradients(memo, ids.flip(1))
    assert differing(gradients(memo, ids), plain) != []


def test_so_they_are_in_the_trap(
    build: Build, tokens: Tokens, gradients: Gradients, differing: Differing
) -> None:
    model, ids = build("gpt", layers=LAYERS), tokens(1, LENGTH)
    plain = gradients(model, ids)
    assert differing(gradients(wrapped(model, TrapLanes(LateLanes())), ids), plain) != []


def test_a_fetch_that_is_early_reads_what_is_not_there_yet(build: Build, tokens: Tokens) -> None:
    """Layers that were copied and not overwritten: nobody but the fetch waits for their copy."""
    model, ids = build("gpt", layers=LAYERS), tokens(1, LENGTH)

    def found(given: Tensor = ids) -> Tensor:
        model.zero_grad()
        early_exit(model, given).backward()
        return model.h[1].attn.c_attn.weight.grad.clone()

    plain = found()
    memo = wrapped(model, LateLanes())
    assert torch.equal(found(), plain)
    memo.close()
    wrapped(model, Without(LateLanes(), H2D, OFFLOADED))
    found(ids.flip(1))
    assert not torch.equal(found(), plain)


def test_what_goes_wrong_in_a_copying_thread_is_raised_where_it_is_waited_for() -> None:
    lanes = ThreadLanes()
    event = Event(OFFLOADED, 0)
    lanes.copy(D2H, [(torch.zeros(2), torch.zeros(3))])
    lanes.record(D2H, event)
    with pytest.raises(RuntimeError, match="size"):
        lanes.wait(COMPUTE, event)
    lanes.close()


def test_a_second_backward_finds_nothing(build: Build, tokens: Tokens, loss: Loss) -> None:
    memo = wrapped(build("gpt", layers=LAYERS), ThreadLanes())
    value = loss(memo, tokens(1, LENGTH))
    value.backward(retain_graph=True)
    with pytest.raises(penstock.PenstockError, match="activations are gone"):
        value.backward()


def test_two_forwards_before_a_backward_are_refused(build: Build, tokens: Tokens, loss: Loss) -> None:
    memo = wrapped(build("gpt", layers=LAYERS), ThreadLanes())
    first = loss(memo, tokens(1, LENGTH))
    second = loss(memo, tokens(1, LENGTH))
    with pytest.raises(penstock.PenstockError, match="one backward after each forward"):
        first.backward()
    memo.model.zero_grad()
    second.backward()
