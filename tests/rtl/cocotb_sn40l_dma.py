"""Runs inside the simulator: the DMA of the SN40L against its byte model; invariants 1, 3, 8 and 9."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import cocotb
from axi_memory import clocks, reset, watch_bursts
from sn40l_dma_bench import Bench, random_shape

from penstock.sim.rtl.sn40l_memory import BEAT_BYTES, Code, Descriptor, Op, Segment

PIECE = 512


async def begin(dut: Any, seed: int) -> Bench:
    bench = Bench(dut, seed)
    await bench.start()
    return bench


def beats_of(rows: Any, base: int, length: int) -> Counter[int]:
    """Beats that rows touch: address → how often."""
    found: Counter[int] = Counter()
    for row in rows:
        first, last = (base + row) // BEAT_BYTES, (base + row + length - 1) // BEAT_BYTES
        found.update(range(first, last + 1))
    return found


def beats_asked(bursts: list[tuple[int, int]]) -> Counter[int]:
    found: Counter[int] = Counter()
    for address, beats in bursts:
        assert address % BEAT_BYTES == 0
        assert address // PIECE == (address + beats * BEAT_BYTES - 1) // PIECE, "a burst leaves its piece"
        found.update(range(address // BEAT_BYTES, address // BEAT_BYTES + beats))
    return found


async def check(bench: Bench, descriptor: Descriptor, reads: list, writes: list) -> None:
    """Run a descriptor and compare all of memory, the stream and the beats with the byte model."""
    reads.clear()
    writes.clear()
    want = bytearray(bench.memory.bytes)
    stream = None
    if descriptor.op == Op.STORE:
        stream = [bench.chance.randbytes(BEAT_BYTES) for _ in range(descriptor.rows * descriptor.row_words)]
    if descriptor.op == Op.LOAD:
        words = descriptor.load(want, bench.segments)
    else:
        words = []
        descriptor.apply(want, bench.segments, stream)
    completion = await bench.run(descriptor, stream)
    said = f"{descriptor}: {completion}"
    assert completion.code == Code.OKAY, said
    assert completion.errors == 0, said
    assert bench.memory.bytes == want, said
    assert not bench.to_store, f"words are left over: {said}"
    got = [word.to_bytes(BEAT_BYTES, "little") for word, _, _ in bench.words]
    assert got == words, said
    assert [last for _, last, _ in bench.words] == [False] * (len(words) - 1) + [True] * bool(words), said
    assert not any(poison for _, _, poison in bench.words), said
    source, destination = (bench.segments[i].base for i in (descriptor.source, descriptor.destination))
    none: Counter[int] = Counter()
    want_reads = (
        beats_of(descriptor.source_rows(), source, descriptor.length)
        if descriptor.op in (Op.LOAD, Op.COPY)
        else none
    )
    want_writes = (
        beats_of(descriptor.destination_rows(), destination, descriptor.length)
        if descriptor.op != Op.LOAD
        else none
    )
    assert beats_asked(reads) == want_reads, said
    assert beats_asked(writes) == want_writes, said


@cocotb.test()
async def what_goes_in_comes_out_whatever_the_shape(dut: Any) -> None:
    """Invariants 1 and 3: byte model and conservation of beats, pauses on all channels and both streams."""
    bench = await begin(dut, 1)
    reads, writes = watch_bursts(dut, "ar"), watch_bursts(dut, "aw")
    for number in range(160):
        bench.pause((0.0, 0.0, 0.3, 0.7)[number % 4], number)
        descriptor = random_shape(bench.chance, Op(number // 4 % 4), 0x6F00)
        await check(bench, descriptor, reads, writes)


@cocotb.test()
async def every_alignment_of_both_ends_is_exact(dut: Any) -> None:
    bench = await begin(dut, 2)
    reads, writes = watch_bursts(dut, "ar"), watch_bursts(dut, "aw")
    for source in range(BEAT_BYTES):
        for destination in (source, 0, 31, bench.chance.randrange(BEAT_BYTES)):
            length = bench.chance.randrange(1, 100)
            shape = Descriptor(
                Op.COPY,
                length,
                3,
                1,
                0,
                1,
                source + PIECE - 64,
                destination + PIECE - 64,
                (length + 37, 0),
                (length + 37, 0),
            )
            await check(bench, shape, reads, writes)


@cocotb.test()
async def descriptors_queue_and_are_answered_in_turn(dut: Any) -> None:
    bench = await begin(dut, 3)
    want = bytearray(bench.memory.bytes)
    for number in range(12):
        descriptor = Descriptor(
            Op.COPY, 100 + number, 1, 1, 0, 1, 64 * number, 200 * number, expert=number, last=number % 3 == 0,
            irq=number % 2 == 0,
        )  # fmt: skip
        descriptor.apply(want, bench.segments)
        await bench.offer(descriptor)
    answers = await bench.finish(12)
    assert [answer.expert for answer in answers] == list(range(12))
    assert [answer.last for answer in answers] == [number % 3 == 0 for number in range(12)]
    assert bench.irqs == 6
    assert bench.memory.bytes == want


@cocotb.test()
async def a_descriptor_that_may_not_is_refused_without_traffic(dut: Any) -> None:
    bench = await begin(dut, 4)
    bench.segments = [
        Segment(0x100, 0x1000, expert=7),
        Segment(0x8000, 0x1000, write=False),
        Segment(0x4000, 0x800, read=False),
        Segment((1 << 38) + (1 << 38) - 0x100, 0x1000),
    ]
    bench.set_segments()
    before = bytearray(bench.memory.bytes)
    cases = [
        Descriptor(Op.COPY, 0, 1, 1, 1, 2),
        Descriptor(Op.COPY, 9, 0, 1, 1, 2),
        Descriptor(Op.FILL, 9, 1, 0, 1, 2),
        Descriptor(Op.LOAD, 9, source=0, expert=8),
        Descriptor(Op.LOAD, 9, source=2),
        Descriptor(Op.STORE, 9, destination=1),
        Descriptor(Op.COPY, 9, source=1, destination=1),
        Descriptor(Op.LOAD, 0x1001, source=1),
        Descriptor(Op.LOAD, 1, source=1, source_offset=0x1000),
        Descriptor(Op.LOAD, 16, 3, 1, 1, source_offset=31, source_strides=(-16, 0)),
        Descriptor(Op.LOAD, 16, 3, 2, 1, source_offset=0xFD0, source_strides=(16, 1)),
        Descriptor(Op.FILL, 16, 3, 3, destination=2, destination_offset=0x7D0, destination_strides=(-1, 17)),
        Descriptor(Op.LOAD, 0x200, source=3),
        Descriptor(Op.LOAD, 1, source=9),
        Descriptor(Op.COPY, 9, source=1, destination=9),
    ]
    for case in cases:
        want = case.code(bench.segments)
        assert want != Code.OKAY, f"the case is allowed: {case}"
        bench.traffic = 0
        answer = await bench.run(replace(case, post=0))
        assert answer.code == want, f"{case}: {answer}, not {want!r}"
        assert answer.errors == 1
        assert not bench.traffic, f"a refused descriptor moved something: {case}"
    assert bench.memory.bytes == before
    assert not bench.words
    assert bench.tokens == [0, 0, 0], "a token was posted in spite of an error"
    # What just fits is done.
    fits = [
        Descriptor(Op.LOAD, 0x1000, source=1),
        Descriptor(Op.LOAD, 16, 3, 1, 1, source_offset=32, source_strides=(-16, 0)),
        Descriptor(Op.LOAD, 16, 3, 2, 1, source_offset=0xFCF, source_strides=(16, 1)),
        Descriptor(Op.LOAD, 1, source=0, expert=7),
    ]
    for case in fits:
        assert case.code(bench.segments) == Code.OKAY
        assert (await bench.run(case)).code == Code.OKAY, f"{case}"


@cocotb.test()
async def a_withheld_token_stalls_and_what_is_posted_is_counted(dut: Any) -> None:
    bench = await begin(dut, 5)
    waits = Descriptor(Op.COPY, 64, source=0, destination=1, wait=1, post=2)
    for early in (True, False):
        bench.traffic = 0
        if not early:
            await bench.offer(waits)
            await clocks(dut, 300)
            assert not bench.completions
            assert not bench.traffic
            assert int(dut.waiting_o.value)
        dut.token_i.value = 2
        await clocks(dut, 1)
        dut.token_i.value = 0
        if early:
            await clocks(dut, 20)
            await bench.offer(waits)
        assert (await bench.finish(1))[0].code == Code.OKAY
    assert bench.tokens == [0, 0, 2]
    # Two tokens, another wire, spending and being given in one cycle.
    dut.token_i.value = 2
    await clocks(dut, 2)
    dut.token_i.value = 4
    await clocks(dut, 5)
    dut.token_i.value = 0
    for _ in range(3):
        await bench.offer(waits)
    await clocks(dut, 400)
    assert len(bench.completions) == 2, "a token was lost or counted twice"
    dut.token_i.value = 2
    await clocks(dut, 1)
    dut.token_i.value = 0
    await bench.finish(3)
    # One is spent while others come, and a wire kept high counts every cycle.
    await bench.offer(waits)
    dut.token_i.value = 2
    await clocks(dut, 8)
    dut.token_i.value = 0
    for _ in range(7):
        await bench.offer(waits)
    await bench.finish(8)
    await bench.offer(waits)
    await clocks(dut, 300)
    assert not bench.completions, "a token too many"


@cocotb.test()
async def errors_are_reported_once_with_their_address_and_later_descriptors_are_unharmed(dut: Any) -> None:
    """Invariant 8, the DMA's part: SLVERR to a beat read, to a burst written; poison in a STORE."""
    bench = await begin(dut, 6)
    reads, writes = watch_bursts(dut, "ar"), watch_bursts(dut, "aw")
    good = Descriptor(Op.COPY, 700, source=0, destination=1, source_offset=3, destination_offset=70)
    for stall in (0.0, 0.5):
        bench.pause(stall, 6)
        for op, offset in ((Op.LOAD, 0), (Op.COPY, 0), (Op.COPY, 13)):
            begin_, bad = bench.segments[0].base + offset, 0x100 + 32 * 21
            bench.memory.bad_reads = range(bad, bad + 1)
            want = bytearray(bench.memory.bytes)
            descriptor = Descriptor(op, 1000, source=0, destination=1, source_offset=offset, post=0)
            if op == Op.COPY:  # bytes of the words with a bad beat are left as they were
                descriptor.apply(want, bench.segments)
                for word in range(0, 1000, 32):
                    if begin_ + word < bad + 32 and begin_ + word + 32 > bad:
                        at = slice(0x8000 + word, 0x8000 + min(word + 32, 1000))
                        want[at] = bench.memory.bytes[at]
            bench.tokens = [0, 0, 0]
            answer = await bench.run(descriptor)
            assert (answer.code, answer.address, answer.errors) == (Code.READ_SLV, bad, 1), f"{answer}"
            assert bench.memory.bytes == want
            assert bench.tokens == [0, 0, 0]
            if op == Op.LOAD:
                assert [number for number, word in enumerate(bench.words) if word[2]] == [21]
            bench.memory.bad_reads = range(0)
            await check(bench, good, reads, writes)
        bench.memory.bad_writes = range(0x8400, 0x8401)
        answer = await bench.run(replace(good, length=2000))
        assert (answer.code, answer.address, answer.errors) == (Code.WRITE_SLV, 0x8400, 1), f"{answer}"
        bench.memory.bad_writes = range(0)
        await check(bench, good, reads, writes)
        want = bytearray(bench.memory.bytes)
        words = [bench.chance.randbytes(32) for _ in range(10)]
        store = Descriptor(Op.STORE, 300, destination=1, destination_offset=5)
        store.apply(want, bench.segments, words)
        want[0x8005 + 96 : 0x8005 + 128] = bench.memory.bytes[0x8005 + 96 : 0x8005 + 128]
        bench.to_store += [(int.from_bytes(word, "little"), i == 3) for i, word in enumerate(words)]
        answer = await bench.run(store)
        assert (answer.code, answer.address, answer.errors) == (Code.POISON, 0x8060, 1), f"{answer}"
        assert bench.memory.bytes == want, "a poisoned word was written, or others were not"
    # Several errors: the first one's address, and how many there were.
    bench.memory.bad_reads = range(0x200, 0x280)
    answer = await bench.run(Descriptor(Op.LOAD, 1024, source=0))
    assert (answer.address, answer.errors) == (0x200, 4)


@cocotb.test()
async def an_abort_drains_and_answers_everything(dut: Any) -> None:
    """Invariant 9."""
    bench = await begin(dut, 7)
    reads, writes = watch_bursts(dut, "ar"), watch_bursts(dut, "aw")
    for cycle in range(0, 110, 5):
        bench.pause((0.0, 0.4)[cycle % 2], cycle)
        before = bytearray(bench.memory.bytes)
        op = (Op.COPY, Op.LOAD, Op.FILL, Op.STORE)[cycle // 5 % 4]
        long = Descriptor(op, 900, 4, 1, 0, 1, 5, 11, (901, 0), (950, 0), pattern=0x12345678)
        bench.to_store = [(bench.chance.getrandbits(256), False) for _ in range(7)]
        await bench.offer(long)
        await bench.offer(replace(long, wait=0))
        await bench.offer(long)
        await clocks(dut, cycle)
        dut.abort_i.value = 1
        answers = await bench.finish(3)
        assert not int(dut.descriptor_ready_o.value), "a descriptor would be taken during an abort"
        dut.abort_i.value = 0
        assert [answer.code for answer in answers] == [Code.ABORT] * 3, f"{cycle}: {answers}"
        changed = {i for i in range(len(before)) if before[i] != bench.memory.bytes[i]}
        allowed = {0x8000 + row + i for row in long.destination_rows() for i in range(900)}
        assert changed <= (allowed if op != Op.LOAD else set()), "an abort wrote beside its descriptor"
        bench.to_store.clear()
        await clocks(dut, 2)
        await check(bench, random_shape(bench.chance, Op.COPY, 0x6F00, 300), reads, writes)


@cocotb.test()
async def a_reset_in_mid_burst_leaves_nothing_behind(dut: Any) -> None:
    """Invariant 9: the memory is reset with it, as the whole chip is."""
    bench = await begin(dut, 8)
    reads, writes = watch_bursts(dut, "ar"), watch_bursts(dut, "aw")
    for cycle in (1, 4, 9, 15, 22, 30, 41, 60):
        bench.pause((0.0, 0.4)[cycle % 2], cycle)
        await bench.offer(Descriptor(Op.COPY, 900, 4, 1, 0, 1, 5, 11, (901, 0), (950, 0)))
        await clocks(dut, cycle)
        await reset(dut)
        for name in ("m_axi_arvalid", "m_axi_awvalid", "m_axi_wvalid", "ld_valid_o", "completion_valid_o"):
            assert not int(getattr(dut, name).value), f"{name} after a reset"
        assert int(dut.idle_o.value)
        bench.completions.clear()
        await check(bench, random_shape(bench.chance, Op.COPY, 0x6F00, 300), reads, writes)


@cocotb.test()
async def bursts_are_outstanding_as_many_as_there_are_slots(dut: Any) -> None:
    """Little's law needs them: with a memory that never answers, so many bursts are asked for and no more."""
    bench = await begin(dut, 9)
    reads = watch_bursts(dut, "ar")
    bench.slave.read_if.r_channel.set_pause_generator(iter(lambda: True, None))
    bench.slave.read_if.ar_channel.queue_occupancy_limit = -1
    await bench.offer(Descriptor(Op.LOAD, 512 * 20, source=0, source_offset=0x100))
    await clocks(dut, 200)
    assert len(reads) == int(dut.Slots.value)
