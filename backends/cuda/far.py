"""Weights of a model larger than its device: which lie in the host's memory, and how they are brought.

What lies far is brought into a window of the device allocation ahead of the steps that read it. The window is
a ring in the order of first uses: a copy may begin as soon as the last reader of the bytes that it takes is
through, which its place in the list says; `lanes` makes streams and events of that as of any other order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ...ir.errors import PlanError
from .plan import Span, Step, aligned

FAR = 1 << 62
"""Where the host's image begins among the addresses of steps, until its weights have places in the window."""
LEAST = 64 << 10
"""Bytes that are worth a copy of their own: what is smaller stays on the device."""
_SHARES = 64

Sizes = Mapping[int, int]
"""Bytes of each weight by where it begins in the image."""


@dataclass(frozen=True)
class Stay:
    """A weight's time in the window.

    Attributes:
        weight: where it begins in the image.
        bytes: its size.
        first, last: steps that read it.
    """

    weight: int
    bytes: int
    first: int
    last: int


@dataclass(frozen=True)
class Fetch:
    """A copy into the window: a stay, its first byte there, and the step before which it may begin."""

    stay: Stay
    at: int
    begin: int


def _read(step: Step) -> dict[str, int]:
    """What a step reads of the image, by its tensors' names."""
    return {name: start - FAR for name, start in step.places.items() if start >= FAR}


def stays(steps: Sequence[Step], sizes: Sizes, *, hold: bool = True) -> tuple[Stay, ...]:
    """Every weight's times in the window, by first use.

    Args:
        steps: in order.
        sizes: of the weights.
        hold: whether one is held between two uses while no more bytes than its own pass by, since bringing it
            again would cost as much.
    """
    found: list[Stay] = []
    latest: dict[int, int] = {}  # weight → its last stay
    passed = 0
    before: dict[int, int] = {}  # stay → bytes that had passed at its last use
    for number, step in enumerate(steps):
        for weight in dict.fromkeys(_read(step).values()):
            held = latest.get(weight)
            if hold and held is not None and passed - before[held] <= sizes[weight]:
                found[held] = replace(found[held], last=number)
            else:
                held = latest[weight] = len(found)
                found.append(Stay(weight, sizes[weight], number, number))
                passed += sizes[weight]
            before[held] = passed
    return tuple(found)


def ring(listed: Sequence[Stay], window: int, *, ahead: bool) -> tuple[Fetch, ...] | None:
    """Copies for stays, in a window of some bytes, or None where they do not fit.

    Args:
        listed: by first use.
        window: its bytes.
        ahead: whether each but those of the first step must be able to begin before the step that reads it.
    """
    fetches: list[Fetch] = []
    there: dict[int, tuple[Span, int]] = {}  # weight → bytes that it takes, and its copy
    head = begin = 0
    for stay in listed:
        if stay.weight in there:  # nothing has taken its bytes since
            copy = there[stay.weight][1]
            fetches[copy] = replace(fetches[copy], stay=replace(fetches[copy].stay, last=stay.last))
            continue
        size = aligned(stay.bytes)
        head = head if head + size <= window else 0
        span = Span(head, head + size)
        gone = [weight for weight, (held, _) in there.items() if held.meets(span)]
        begin = max([begin, *(fetches[there.pop(weight)[1]].stay.last + 1 for weight in gone)])
        if size > window or begin > stay.first or (ahead and begin == stay.first > 0):
            return None
        there[stay.weight] = span, len(fetches)
        fetches.append(Fetch(stay, head, begin))
        head += size
    return tuple(fetches)


@dataclass(frozen=True)
class Division:
    """Which weights stay on the device, and how the others pass.

    Attributes:
        near: those that stay, by where they begin.
        window: bytes of the window.
        brought: bytes that copies bring, in one run of every entry.
        hold: as in `stays`.
    """

    near: frozenset[int]
    window: int
    brought: int
    hold: bool = True


def divide(lists: Sequence[Sequence[Step]], sizes: Sizes, room: int, where: str) -> Division:
    """Divide weights between device and host so that as few bytes as can be are brought in a run.

    Those that stay are spread evenly over the steps, so that copies have the time of their kernels too.

    Args:
        lists: each entry's steps, every weight still in the image.
        sizes: of all weights.
        room: bytes for weights on the device.
        where: whose room it is.

    Raises:
        PlanError: there is no such division.
    """
    for hold, ahead in ((True, True), (True, False), (False, False)):
        by_entry = [stays(steps, sizes, hold=hold) for steps in lists]
        made = _divided(by_entry, sizes, room, ahead)
        if made is not None:
            return replace(made, hold=hold)
    largest = max((stay.bytes for listed in by_entry for stay in listed), default=0)
    raise PlanError(
        f"{max(room, 0)} bytes are left for weights, the largest of which takes {largest}",
        where=where,
        accepted="more memory, or shorter inputs",
    )


def _divided(by_entry: Sequence[Sequence[Stay]], sizes: Sizes, room: int, ahead: bool) -> Division | None:
    """The division that brings least: weights brought more than once in a run stay where that is better."""
    order = list(dict.fromkeys(stay.weight for listed in by_entry for stay in listed))
    unread = {weight for weight in sizes if weight not in set(order)}
    small = {weight for weight in order if sizes[weight] < LEAST}
    counts = [Counter(stay.weight for stay in listed) for listed in by_entry]
    often = {weight for weight in order if any(count[weight] > 1 for count in counts)}
    found = [
        made
        for kept in (small | often, small, set[int]())
        if (made := _most(by_entry, order, kept, sizes, room, ahead)) is not None
    ]
    if not found:
        return None
    best = min(found, key=lambda made: made.brought)
    return replace(best, near=best.near | unread) if _fits(best, unread, sizes, room) else best


def _most(
    by_entry: Sequence[Sequence[Stay]],
    order: Sequence[int],
    kept: set[int],
    sizes: Sizes,
    room: int,
    ahead: bool,
) -> Division | None:
    """The division that keeps the largest share of weights beside those that are kept anyway."""
    for share in reversed(range(_SHARES + 1)):
        near, owed = set(kept), 0
        for weight in order:
            owed += share * sizes[weight]
            if weight not in near and 2 * owed >= _SHARES * sizes[weight]:
                near.add(weight)
                owed -= _SHARES * sizes[weight]
        window = (room - _taken(near, sizes)) // aligned(1) * aligned(1)
        far = [[stay for stay in listed if stay.weight not in near] for listed in by_entry]
        rings = [ring(listed, window, ahead=ahead) for listed in far]
        if window >= 0 and None not in rings:
            brought = sum(fetch.stay.bytes for made in rings for fetch in made or ())
            return Division(frozenset(near), window, brought)
    return None


def _taken(near: set[int] | frozenset[int], sizes: Sizes) -> int:
    return aligned(sum(aligned(sizes[weight]) for weight in near))


def _fits(made: Division, more: set[int], sizes: Sizes, room: int) -> bool:
    return _taken(made.near | more, sizes) + made.window <= room


@dataclass(frozen=True)
class Streaming:
    """Brings what steps read of the image through a window.

    Attributes:
        start, window: the window's first byte and size.
        sizes: of the weights in the image.
        hold: as in `stays`.
    """

    start: int
    window: int
    sizes: Sizes
    hold: bool = True

    def __call__(self, steps: Sequence[Step]) -> list[Step]:
        """The steps with copies between them, and every weight at its place in the window.

        Raises:
            PlanError: they do not fit.
        """
        listed = stays(steps, self.sizes, hold=self.hold)
        fetches = ring(listed, self.window, ahead=True) or ring(listed, self.window, ahead=False)
        if fetches is None:
            raise PlanError(f"weights do not pass through {self.window} bytes", where="the launch list")
        left, there = iter([*fetches, None]), dict[int, Fetch]()
        found: list[Step] = []
        coming = next(left)
        for number, step in enumerate(steps):
            while coming is not None and coming.begin <= number:
                found.append(self._copy(coming))
                there[coming.stay.weight] = coming
                coming = next(left)
            found.append(self._placed(step, there))
        return found

    def _copy(self, fetch: Fetch) -> Step:
        at = self.start + fetch.at
        places = {"to": at, "far": fetch.stay.weight}
        written = Span(at, at + fetch.stay.bytes)
        return Step("fetch", "fetch", places, fetch.stay.bytes, writes=(written,))

    def _placed(self, step: Step, there: Mapping[int, Fetch]) -> Step:
        far = _read(step)
        if not far:
            return step
        moved = {name: self.start + there[weight].at for name, weight in far.items()}
        reads = tuple(self._moved(span, there) for span in step.reads)
        return replace(step, places={**step.places, **moved}, reads=reads, far=far)

    def _moved(self, span: Span, there: Mapping[int, Fetch]) -> Span:
        if span.start < FAR:
            return span
        start = self.start + there[span.start - FAR].at
        return Span(start, start + span.end - span.start)
