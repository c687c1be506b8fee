"""The oblivious map, access by access, in the plainest code: what the RTL and the native engine are held to.

Reconstruction from BOLT's artifact (arXiv 2509.01742; the paper's body was not available): each key has two
candidate bins, both are touched at its access whichever holds it, and it is then put into the less loaded of
two fresh ones. So each access touches two bins that were drawn uniformly and never seen since.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...ir.errors import FaultError
from .batches import Accesses
from .config import STASH_ENTRIES, BoltConfig, Op
from .counters import Counters
from .drbg import Drbg, Words, pair_of_words
from .frames import Frames
from .keys import Keys
from .memory import HostMemory
from .packet import Response, Status
from .page import PageCipher, Slot
from .position_map import Entry, PositionMap, State
from .start import STARTING, Records, check_pass, input_pages, lay_records, memory_bytes, ranges, read_records
from .tape import Tape


@dataclass(frozen=True)
class Hidden:
    """What no adversary may learn of an access: on it, latencies are regressed.

    Attributes:
        state: what held its key's value; None for a key that was absent.
        flushed: blocks that awaited its pages.
    """

    state: State | None
    flushed: int


class BoltMap(Accesses):
    """A map of 32-bit keys to values of a fixed size, its pages in memory that an adversary owns.

    Args:
        config: sizes.
        seed: of the keys, when none are given.
        keys: the secrets.
        memory: for the pages; a new bytearray by default.
        tape: words in place of the generator's.
        initial: records to begin with, streamed into the image (`start.py`) instead of put one by one.
    """

    def __init__(
        self,
        config: BoltConfig,
        seed: int = 0,
        *,
        keys: Keys | None = None,
        memory: HostMemory | None = None,
        tape: Tape | None = None,
        initial: Records | None = None,
    ) -> None:
        super().__init__(config)
        keys = keys or Keys.from_seed(seed)
        self.memory = memory or HostMemory.of(memory_bytes(config, initial))
        self.counters = Counters()
        self.positions = PositionMap(config.buckets, keys.prf)
        self.frames = Frames(config.frames, config.host_bins)
        self.loads = [0] * config.bins
        self.stash: list[Slot | None] = [None] * STASH_ENTRIES
        self.write_counters = [0] * config.host_bins
        self._drbg = Drbg(keys.drbg)
        self._cipher: PageCipher | None = PageCipher(config, keys.page)
        self._tape = tape
        self.hidden: Hidden | None = None
        """Of the last access."""
        self._fault: FaultError | None = None
        self._begin(initial, keys)

    @property
    def fault(self) -> FaultError | None:
        """What stopped the map for good."""
        return self._fault

    def access(self, op: Op, key: int = 0, value: bytes = b"") -> Response:
        """One access.

        Args:
            op: what to do.
            key: 32 bits; of NOP any.
            value: for PUT, `value_bytes` long.

        Raises:
            InputError: a key or a value that does not fit.
            FaultError: host memory was tampered with, or a bound overflowed; then, and ever after.
        """
        self.check(op, key, value)
        if self._fault is not None:
            raise self._fault
        try:
            return self._access(op, key, value)
        except FaultError as error:
            self.stop(error)
            raise

    def stop(self, error: FaultError) -> None:
        """Stop for good: forget keys and plaintext, answer nothing but the fault."""
        self._fault = error
        self._cipher = None
        self.stash = [None] * STASH_ENTRIES
        self.frames = Frames(0, self.config.host_bins)
        self.positions = PositionMap(0, b"")

    def words(self) -> Words:
        """The next access's random words."""
        drawn = self._drbg.words()
        return self._tape(self.counters.accesses) if self._tape else drawn

    def _access(self, op: Op, key: int, value: bytes) -> Response:
        index, words = self.counters.accesses, self.words()
        entry = None if op is Op.NOP else self.positions.lookup(key)
        x, y = entry.pair if entry else pair_of_words(words[0], words[1], self.config.bins)
        old = replace(entry) if entry else None  # remapping rewrites the entry
        if old and old.state is not State.STASH:
            self.loads[old.bin] -= 1
        new = None
        if op is Op.PUT or (op is Op.GET and old):
            new = self._place(key, entry, pair_of_words(words[2], words[3], self.config.bins))
        elif op is Op.DEL and old:
            self.positions.remove(key)
        pages = {bin_: self._read(index, bin_) for bin_ in (x, y) if self.config.is_host(bin_)}
        queued = self.frames.queued
        found = self._collect(key, old, pages)
        self.hidden = Hidden(old.state if old else None, queued - self.frames.queued)
        if new:
            self._store(new, value if op is Op.PUT else found)
        for bin_, slots in pages.items():
            self._write(index, bin_, slots)
        self._count(old is not None, len(pages))
        answered = found if old and op is not Op.PUT else bytes(self.config.value_bytes)
        return Response(Status.FOUND if old else Status.ABSENT, key, answered)

    def _place(self, key: int, entry: Entry | None, pair: tuple[int, int]) -> Entry:
        """Choose a bin and a frame for a key: everything but its value."""
        which, state = self._choose(pair)
        frame = self._stash_place() if state is State.STASH else self.frames.take()
        if entry is None:
            entry = Entry(key, pair, which, state, frame)
            self.positions.insert(entry)
        else:
            entry.pair, entry.which, entry.state, entry.frame = pair, which, state, frame
        return entry

    def _choose(self, pair: tuple[int, int]) -> tuple[int, State]:
        """The less loaded of a pair, the first of equals; the stash when it is full, as then both are."""
        which = int(self.loads[pair[1]] < self.loads[pair[0]])
        bin_ = pair[which]
        if self.loads[bin_] >= self.config.slots:
            return which, State.STASH
        self.loads[bin_] += 1
        self.counters.raise_to(max_load=self.loads[bin_])
        return which, State.PENDING if self.config.is_host(bin_) else State.HBM

    def _stash_place(self) -> int:
        if None not in self.stash:
            raise FaultError(f"all {STASH_ENTRIES} entries of the overflow stash are in use", where="on chip")
        return self.stash.index(None)

    def _collect(self, key: int, old: Entry | None, pages: dict[int, list[Slot]]) -> bytes:
        """Flush what awaits these pages into them, and take the old value from wherever it is."""
        taken = b""
        if old and old.state is State.HBM:
            taken = self.frames.give(old.frame)[1]
        elif old and old.state is State.STASH:
            slot = self.stash[old.frame]
            assert slot is not None, "an entry points at an empty place of the stash"
            taken, self.stash[old.frame] = slot[1], None
        for bin_, slots in pages.items():
            for slot in self.frames.flush(bin_ - self.config.hbm_bins):
                slots.append(slot)
                if old is None or slot[0] != key:  # a NOP's key may be anybody's
                    self._mark_flushed(slot[0])
        if old and old.state in (State.PENDING, State.HOST):
            slots = pages[old.bin]
            at = next(at for at, slot in enumerate(slots) if slot[0] == key)
            taken = slots.pop(at)[1]
        return taken

    def _mark_flushed(self, key: int) -> None:
        entry = self.positions.lookup(key)
        assert entry is not None, f"key {key} awaits a flush but has no entry"
        entry.state = State.HOST

    def _store(self, entry: Entry, value: bytes) -> None:
        """Write a placed key's value."""
        if entry.state is State.STASH:
            self.stash[entry.frame] = entry.key, value
            return
        self.frames.put(entry.frame, entry.key, value)
        if entry.state is State.PENDING:
            self.frames.queue(entry.bin - self.config.hbm_bins, entry.frame)

    def _read(self, index: int, bin_: int) -> list[Slot]:
        """A host bin's slots, its tag checked."""
        config = self.config
        page = self.memory.read(index, config.page_address(bin_), config.page_bytes)
        assert self._cipher is not None, "a map that stopped reads nothing"
        return self._cipher.open(bin_, self.write_counters[bin_ - config.hbm_bins], page)

    def _write(self, index: int, bin_: int, slots: list[Slot]) -> None:
        """Write a host bin's page under its next counter."""
        place = bin_ - self.config.hbm_bins
        self.write_counters[place] += 1
        assert self._cipher is not None, "a map that stopped writes nothing"
        page = self._cipher.seal(bin_, self.write_counters[place], slots)
        self.memory.write(index, self.config.page_address(bin_), page)

    def _count(self, hit: bool, pages: int) -> None:
        counters, frames = self.counters, self.frames
        counters.accesses += 1
        counters.hits += hit
        counters.host_reads += pages
        counters.host_writes += pages
        counters.raise_to(
            max_hbm=frames.used - frames.queued,
            max_queue=frames.queued,
            max_stash=sum(slot is not None for slot in self.stash),
            max_cam=self.positions.cam_used,
        )

    def _begin(self, initial: Records | None, keys: Keys) -> None:
        """Write the first image: empty pages, or the records' by streaming."""
        if initial is None:
            for bin_ in range(self.config.hbm_bins, self.config.bins):
                self._write(STARTING, bin_, [])
            return
        initial.check(self.config)
        sealed = PageCipher(self.config, keys.input)
        lay_records(initial, self.config, sealed, self.memory)
        pages = input_pages(self.config, initial)
        bins: list[int] = []
        """By record: its host bin; -1 for one that stays on the card."""
        for at, part in enumerate(ranges(self.config)):
            contents: dict[int, list[Slot]] = {bin_: [] for bin_ in part}
            for number, slot in enumerate(read_records(pages, self.config, sealed, self.memory)):
                if at == 0:
                    bins.append(self._place_record(slot))
                if bins[number] in contents:
                    contents[bins[number]].append(slot)
            check_pass(sum(map(len, contents.values())), self.config)
            for bin_, slots in contents.items():
                self._write(STARTING, bin_, slots)

    def _place_record(self, slot: Slot) -> int:
        """Place a record as its PUT would, but take no frame for a host bin: that bin, else -1."""
        words = self.words()
        pair = pair_of_words(words[2], words[3], self.config.bins)
        which, state = self._choose(pair)
        if state is State.PENDING:
            self.positions.insert(Entry(slot[0], pair, which, State.HOST, -1))
            return pair[which]
        frame = self._stash_place() if state is State.STASH else self.frames.take()
        entry = Entry(slot[0], pair, which, state, frame)
        self.positions.insert(entry)
        self._store(entry, slot[1])
        return -1
