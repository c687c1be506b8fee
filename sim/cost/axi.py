"""When words cross an AXI4 port: read engines in front of one memory, and a write engine.

The engines are ``rtl/common``'s, the memory answers after a fixed number of cycles, one beat a cycle and
bursts in the order they were asked for. Times are cycles; what a register shows in a cycle was decided the
cycle before. Nothing is stepped: bursts and runs of words are placed one after the other, each at the
largest of the times it has to wait for, and the port takes bursts in the order of those times.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

WORD_BYTES = 8
PAGE_BYTES = 4096
MOST_UNANSWERED = 8
"""Bursts the write engine has under way at most."""

Then = Callable[[int], None]
"""Told when something happened."""


def bursts(address: int, words: int, most: int) -> Iterator[int]:
    """Beats of the bursts of a transfer: at most so many, none across 4 KiB."""
    while words:
        beats = min(words, most, (PAGE_BYTES - address % PAGE_BYTES) // WORD_BYTES)
        yield beats
        address += beats * WORD_BYTES
        words -= beats


@dataclass
class Reader:
    """A read engine: commands in, words out of a queue.

    A burst is asked for when the queue has room for all of it; a word makes room in the cycle after it left.

    Attributes:
        depth: words of the queue.
        most: beats of a burst.
        request: when the next burst is offered to the port; None while that is not known, or none is left.
        words: asked for so far.
    """

    depth: int
    most: int
    request: int | None = None
    words: int = 0
    _commands: deque[tuple[int, int, int, Then]] = field(default_factory=deque)
    _left: deque[int] = field(default_factory=deque)  # beats of bursts of the command under way
    _free: int = 0  # the next command may be taken
    _ready: int = 0  # the next burst may be asked for
    _arrived: deque[tuple[int, int]] = field(default_factory=deque)  # at the queue's end, words
    _wanted: deque[tuple[int, int, Then]] = field(
        default_factory=deque
    )  # words, not before, told of the last
    _popped: deque[tuple[int, int, int]] = field(default_factory=deque)  # first word, when, words
    _pops: int = 0
    _last_pop: int = -1

    def command(self, offered: int, address: int, words: int, taken: Then) -> None:
        """Offer a transfer from a cycle on; ``taken`` is told when the engine takes it."""
        self._commands.append((offered, address, words, taken))

    def want(self, words: int, since: int, done: Then) -> None:
        """The consumer takes so many words, one a cycle, from a cycle on; ``done`` is told of the last."""
        self._wanted.append((words, since, done))

    def advance(self) -> bool:
        """Work out what can be told by now; whether that was anything."""
        moved = self._leave()
        if self.request is None:
            if not self._left and self._commands:
                self._begin()
                moved = True
            moved = self._ask() or moved
        return moved

    def granted(self, cycle: int, start: int) -> int:
        """The port took the burst; its first beat comes in cycle ``start``. Returns its beats."""
        beats = self._left.popleft()
        self._arrived.append((start + 1, beats))
        self.request, self._ready = None, cycle + 1
        return beats

    def _begin(self) -> None:
        offered, address, words, taken = self._commands.popleft()
        accepted = max(offered, self._free)
        self._left.extend(bursts(address, words, self.most))
        self._ready = max(self._ready, accepted + 1)
        taken(accepted)

    def _ask(self) -> bool:
        if not self._left:
            return False
        beats = self._left[0]
        needed = self.words + beats - self.depth
        if needed > self._pops:
            return False
        issue = self._ready if needed <= 0 else max(self._ready, self._when(needed - 1) + 1)
        self.request = issue + 1
        self.words += beats
        if len(self._left) == 1:
            self._free = issue + 1
        return True

    def _when(self, word: int) -> int:
        """When a word left; words before it are not asked about again."""
        while word >= self._popped[0][0] + self._popped[0][2]:
            self._popped.popleft()
        first, when, _ = self._popped[0]
        return when + word - first

    def _leave(self) -> bool:
        """Words that have arrived and are wanted leave, one a cycle."""
        moved = False
        while self._arrived and self._wanted:
            (seen, here), (wanted, since, done) = self._arrived[0], self._wanted[0]
            count = min(here, wanted)
            when = max(seen, since, self._last_pop + 1)
            self._popped.append((self._pops, when, count))
            self._pops += count
            self._last_pop = when + count - 1
            self._arrived[0] = (seen + count, here - count)
            self._wanted[0] = (wanted - count, since, done)
            if here == count:
                self._arrived.popleft()
            if wanted == count:
                self._wanted.popleft()
                done(self._last_pop)
            moved = True
        return moved


@dataclass
class ReadPort:
    """Readers taking turns at a port, and the memory behind it.

    Attributes:
        readers: by identifier.
        latency: from a burst's address to its first beat, cycles.
    """

    readers: Sequence[Reader]
    latency: int
    _last: int = 0
    _now: int = 0
    _bus: int = 0

    def run(self, ended: Callable[[], bool]) -> None:
        """Let words cross until the user has what it waits for."""
        while not ended():
            while any(reader.advance() for reader in self.readers):
                pass
            if not ended():
                self._grant()

    def _grant(self) -> None:
        """The next burst: the earliest request; of equal ones, the next identifier's after the last.

        Whatever is not known yet waits for a beat still to come, hence for a later request than this.
        """
        waiting = [each.request for each in self.readers if each.request is not None]
        self._now = max(self._now + 1, min(waiting))
        order = [(self._last + 1 + step) % len(self.readers) for step in range(len(self.readers))]
        for number in order:
            request = self.readers[number].request
            if request is not None and request <= self._now:
                break
        self._last = number
        start = max(self._now + 1 + self.latency, self._bus)
        self._bus = start + self.readers[number].granted(self._now, start)


@dataclass
class Writer:
    """The write engine, a command at a time, and the memory's answers.

    Attributes:
        most: beats of a burst.
        latency: from a burst's last beat to its answer, cycles.
        answered: when the last burst so far is answered.
        beats: so far.
    """

    most: int
    latency: int
    answered: int = 0
    beats: int = 0
    _ready: int = 0
    _answers: deque[int] = field(default_factory=lambda: deque(maxlen=MOST_UNANSWERED))

    def write(self, offered: int, address: int, words: int) -> int:
        """Write so many 32-bit words, offered in a cycle; when they are taken.

        Beats follow two cycles later, one a cycle, and one more cycle passes before every further burst; no
        burst begins while `MOST_UNANSWERED` are.
        """
        taken = max(offered, self._ready)
        first, last = address // WORD_BYTES, (address + 4 * words - 1) // WORD_BYTES
        begin = taken + 1
        for beats in bursts(first * WORD_BYTES, last - first + 1, self.most):
            if len(self._answers) == MOST_UNANSWERED:
                begin = max(begin, self._answers[0] + 1)
            end = begin + beats
            self.answered = end + 1 + self.latency
            self._answers.append(self.answered)
            self.beats += beats
            begin = end + 1
        self._ready = begin
        return taken
