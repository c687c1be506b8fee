"""Runs inside the simulator: a PMU against NumPy: images, order, conflicts, predicates, credits, resets."""

from __future__ import annotations

import os
import random
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import FallingEdge
from numpy.typing import NDArray
from sn40l_pmu_bench import POISONED, READ_CONFLICTS, STRAYS, WRITE_CONFLICTS, Packet, Pmu
from sn40l_pmu_model import LANES, Access, Banks

SINGLE_PORT = bool(int(os.environ.get("PMU_SINGLE_PORT", "0")))
COUNT, DEPTH = (16, 64) if SINGLE_PORT else (8, 64)
WORDS = COUNT * DEPTH
PLAIN_BITS = tuple(range(COUNT.bit_length() - 1))
NONE = Access(units=0)


def banks(bits: tuple[int, ...] = PLAIN_BITS) -> Banks:
    return Banks(COUNT, DEPTH, bits, SINGLE_PORT)


def random_image(seed: int) -> NDArray[np.uint32]:
    return np.random.default_rng(seed).integers(0, 2**32, WORDS, np.uint32)


def random_access(chance: random.Random, **fixed: Any) -> Access:
    """Any pattern that stays near the memory: negative strides, predicates, unaligned bases."""
    dims = chance.randint(0, 5)
    extents = tuple(chance.randint(1, 3) for _ in range(dims))
    strides = tuple(chance.choice((-33, -8, -1, 0, 1, 7, 8, 32, 64)) for _ in range(dims))
    low = chance.choice((0, 0, chance.randint(0, WORDS // 2)))
    high = chance.choice((WORDS, chance.randint(low, WORDS)))
    inner = chance.randint(0, dims)
    plain: dict[str, Any] = {
        "base": chance.randint(100, WORDS - 100),
        "lane_stride": chance.choice((-1, 0, 1, 3, 8, 16, 33)),
        "units": chance.randint(1, 4),
        "skew": chance.choice((None, None, 0, 2)),
    }
    return Access(extents, strides, inner, low=low, high=high, **{**plain, **fixed})


def read_by(image: NDArray[np.uint32], access: Access) -> NDArray[np.uint32]:
    addresses = access.addresses()
    inside = access.inside(addresses)
    return np.where(inside, image[np.where(inside, addresses, 0)], 0).astype(np.uint32)


def packets_for(
    access: Access, flow: int, data: NDArray[np.uint32], seqs: list[int] | None = None
) -> list[Packet]:
    count = access.of_unit
    numbers = seqs if seqs is not None else [at % count for at in range(len(data))]
    return [
        Packet(flow, seq, tuple(map(int, row)), seq == count - 1)
        for seq, row in zip(numbers, data, strict=True)
    ]


def write_by(
    image: NDArray[np.uint32], access: Access, data: NDArray[np.uint32], seqs: list[int] | None
) -> None:
    addresses = access.addresses(seqs)
    inside = access.inside(addresses)
    for address, keep, row in zip(addresses, inside, data, strict=True):
        image[address[keep]] = row[keep]


@cocotb.test()
async def reads_follow_their_pattern(dut: Any) -> None:
    pmu, chance = Pmu(dut, 1), random.Random(1)
    await pmu.start()
    image = random_image(1)
    await pmu.fill(image)
    for trial in range(14):
        pmu.stall = (0.0, 0.3, 0.8)[trial % 3]
        if trial % 5 == 4:
            bits = tuple(chance.sample(range((WORDS - 1).bit_length()), len(PLAIN_BITS)))
            await pmu.bank_bits(bits)
            image = random_image(trial)
            await pmu.fill(image)
        reads = [random_access(chance, skew=None) for _ in range(2)]
        flows = [chance.randint(0, 63) for _ in reads]
        planes = [chance.randint(0, 1) for _ in reads]
        await pmu.write(
            [word for c in range(2) for word in reads[c].words(c, flows[c], planes[c])] + [(64, 0), (96, 0)]
        )
        if flows[0] == flows[1]:
            continue
        pmu.clear()
        await pmu.begin()
        await pmu.finish()
        for access, flow, plane, token in zip(reads, flows, planes, (0, 1), strict=True):
            got = [packet for packet in pmu.out[plane] if packet.flow == flow]
            want = read_by(image, access)
            np.testing.assert_array_equal([packet.words for packet in got], want, err_msg=str(access))
            numbers = [at % access.of_unit for at in range(len(want))]
            assert [packet.seq for packet in got] == numbers, access
            assert [packet.last for packet in got] == [n == access.of_unit - 1 for n in numbers], access
            assert pmu.tokens[token] == access.units, access
            assert not any(packet.poison for packet in got)


@cocotb.test()
async def writes_follow_their_pattern_and_drop_what_is_outside(dut: Any) -> None:
    pmu, chance = Pmu(dut, 2), random.Random(2)
    await pmu.start()
    image = random_image(2)
    await pmu.fill(image)
    for trial in range(10):
        pmu.pause = (0.0, 0.5)[trial % 2]
        access = random_access(chance, skew=None)
        data = np.random.default_rng(trial).integers(
            0, 2**32, (access.of_unit * access.units, LANES), np.uint32
        )
        context, plane = chance.choice((2, 3)), chance.randint(0, 1)
        await pmu.write([*access.words(context, 9, plane), (0, 0), (32, 0), (32 * (5 - context), 0)])
        pmu.clear()
        await pmu.begin()
        pmu.feed[plane].extend(packets_for(access, 9, data))
        await pmu.finish()
        assert pmu.tokens[context] == access.units, access
        write_by(image, access, data, None)
        pmu.pause = 0.0
        np.testing.assert_array_equal(await pmu.image(WORDS), image, err_msg=str(access))


@cocotb.test()
async def any_order_of_arrival_gives_the_same_image(dut: Any) -> None:
    """Packets of a unit, numbered, in random order, from two sources on two planes."""
    pmu, chance = Pmu(dut, 3), random.Random(3)
    await pmu.start()
    rows, pitch = 16, 24
    data = np.random.default_rng(3).integers(0, 2**32, (2, rows, LANES), np.uint32)
    images = []
    for trial in range(4):
        await pmu.fill(np.zeros(WORDS, np.uint32))
        halves = [Access((rows,), (0,), 1, base=base, seq_stride=pitch) for base in (0, LANES)]
        await pmu.write([word for c in range(2) for word in halves[c].words(2 + c, c, c)] + [(0, 0), (32, 0)])
        await pmu.begin()
        pmu.pause = 0.3 * (trial > 0)
        for half in range(2):
            order = list(range(rows))
            if trial:
                chance.shuffle(order)
            pmu.feed[half].extend(packets_for(halves[half], half, data[half][order], order))
        await pmu.finish()
        pmu.pause = 0.0
        images.append(await pmu.image(WORDS))
    want = np.zeros(WORDS, np.uint32)
    for row in range(rows):
        want[row * pitch : row * pitch + 16] = data[:, row].ravel()
    for image in images:
        np.testing.assert_array_equal(image, want)


async def conflicts(pmu: Pmu, reads: list[Access], writes: list[Access]) -> tuple[int, int]:
    """Cycles waited in a run in which nothing else holds accesses up."""
    before = pmu.stat(READ_CONFLICTS), pmu.stat(WRITE_CONFLICTS)
    words = [word for c, access in enumerate(reads) for word in access.words(c, c, c)]
    words += [word for c, access in enumerate(writes) for word in access.words(2 + c, c, c)]
    await pmu.write(words)
    for plane, access in enumerate(writes):
        count = access.of_unit * access.units
        pmu.feed[plane].extend(packets_for(access, plane, np.full((count, LANES), plane, np.uint32)))
    await pmu.begin()
    await pmu.finish()
    return pmu.stat(READ_CONFLICTS) - before[0], pmu.stat(WRITE_CONFLICTS) - before[1]


@cocotb.test()
async def waiting_for_banks_is_the_arbiters(dut: Any) -> None:
    pmu, chance = Pmu(dut, 4), random.Random(4)
    await pmu.start()
    turns, seen = [0, 0], 0
    for trial in range(24):
        bits = (
            PLAIN_BITS
            if trial < 16
            else tuple(chance.sample(range((WORDS - 1).bit_length()), len(PLAIN_BITS)))
        )
        await pmu.bank_bits(bits)
        four = [random_access(chance) if chance.random() < 0.8 else NONE for _ in range(4)]
        want = banks(bits).waits(four[:2], four[2:], turns)
        assert await conflicts(pmu, four[:2], four[2:]) == want, (trial, four)
        seen += sum(want)
    assert seen > 100


@cocotb.test()
async def rows_and_columns_of_a_striped_tile_never_wait(dut: Any) -> None:
    """A pitch of Banks * 2^shift * odd; in both orders, written and read."""
    pmu = Pmu(dut, 5)
    await pmu.start()
    for shift, odd in ((0, 1), (1, 1), (0, 3)):
        pitch = COUNT * 2**shift * odd
        rows = min(WORDS // pitch, 16) // LANES * LANES
        for skew in (shift, None):
            along = Access((pitch // LANES, rows), (LANES, pitch), 2, skew=skew)
            down = Access((rows // LANES, pitch), (LANES * pitch, 1), 2, lane_stride=pitch, skew=skew)
            for access in (along, down):
                read, _ = await conflicts(pmu, [access, NONE], [NONE, NONE])
                _, written = await conflicts(pmu, [NONE, NONE], [access, NONE])
                if skew is None and access is down:
                    assert min(read, written) > 0, access
                else:
                    assert (read, written) == (0, 0), access


@cocotb.test()
async def halves_of_a_double_buffer_never_wait(dut: Any) -> None:
    """Written and read at once, the phase a bank bit; only single ports conflict without that."""
    pmu = Pmu(dut, 6)
    await pmu.start()
    half, units = WORDS // 2, 5
    count = half // LANES
    access = Access((count, 2), (LANES, half), 1, units=units)
    data = np.random.default_rng(6).integers(0, 2**32, (units * count, LANES), np.uint32)
    pmu.pause = pmu.stall = 0.2
    mapped = (*PLAIN_BITS[:-1], (WORDS - 1).bit_length() - 1)
    for bits in (PLAIN_BITS, mapped) if SINGLE_PORT else (PLAIN_BITS,):
        await pmu.bank_bits(bits)
        await pmu.write([*access.words(2, 5, 0), *access.words(0, 6, 1, awaits=1), (32, 0), (96, 0)])
        pmu.clear()
        before = pmu.stat(READ_CONFLICTS) + pmu.stat(WRITE_CONFLICTS)
        await pmu.begin()
        given = 0
        for _ in range(4000):
            if given < units and given - pmu.tokens[0] < 2 and not pmu.feed[0]:
                pmu.feed[0].extend(packets_for(access, 5, data[given * count : (given + 1) * count]))
                given += 1
            await pmu.cycle()
            if int(dut.done_o.value):
                break
        np.testing.assert_array_equal([packet.words for packet in pmu.out[1]], data)
        waited = pmu.stat(READ_CONFLICTS) + pmu.stat(WRITE_CONFLICTS) - before
        assert (waited == 0) == (bits == mapped or not SINGLE_PORT), waited


@cocotb.test()
async def ranges_partition_a_stream(dut: Any) -> None:
    """The same stream to two writers with adjoining ranges: every word is written once, to its own range."""
    pmu = Pmu(dut, 7)
    await pmu.start()
    half, border = WORDS // 2, 100  # not a vector's border
    await pmu.fill(np.zeros(WORDS, np.uint32))
    data = np.random.default_rng(7).integers(1, 2**32, (half // LANES, LANES), np.uint32)
    low = Access((len(data),), (LANES,), 1, low=0, high=border)
    high = Access((len(data),), (LANES,), 1, base=half, low=half + border, high=WORDS)
    await pmu.write([*low.words(2, 7, 0), *high.words(3, 7, 0), (0, 0), (32, 0)])
    await pmu.begin()
    pmu.pause = 0.3
    pmu.feed[0].extend(packets_for(low, 7, data))
    await pmu.finish()
    image = await pmu.image(WORDS)
    np.testing.assert_array_equal(image[:border], data.ravel()[:border])
    np.testing.assert_array_equal(image[half + border :], data.ravel()[border:])
    assert not image[border : half + border].any()


@cocotb.test()
async def credits_stay_in_range_and_a_withheld_token_stops_its_own_reader(dut: Any) -> None:
    pmu, depth = Pmu(dut, 8), 5
    await pmu.start()
    await pmu.fill(random_image(8))
    count = 40
    access = Access((count,), (LANES,), 1)
    for context in range(2):
        await pmu.write(access.words(context, context, context, room=depth | depth << 16))
    await pmu.write([(64, 0), (96, 0)])
    for withheld in (None, 0, 1):
        pmu.clear()
        pmu.stall = 0.2
        # A packet gives back the credits of its reader's queues 0 and 2; the withheld one's queue 2 does not.
        masks = [0b001 if plane == withheld else 0b101 for plane in range(2)]
        pmu.give = lambda packet, plane, masks=masks: masks[plane] << 3 * plane
        await pmu.begin()
        for _ in range(300):
            await pmu.cycle()
        for plane in range(2):
            assert len(pmu.out[plane]) == (depth if plane == withheld else count), (withheld, plane)
        assert bool(int(dut.done_o.value)) == (withheld is None)
        if withheld is not None:
            # The tokens come after all: it goes on and ends.
            pmu.give = lambda packet, plane: 0b101 << 3 * plane
            for _ in range(depth):
                await pmu.cycle(0b100 << 3 * withheld)
            await pmu.finish()
            assert len(pmu.out[withheld]) == count
            assert pmu.tokens[:2] == [1, 1]
    pmu.give = lambda packet, plane: 0


@cocotb.test()
async def a_unit_is_read_when_all_it_awaits_are_there(dut: Any) -> None:
    pmu = Pmu(dut, 9)
    await pmu.start()
    access = Access((3, 4), (LANES, 3 * LANES), 1, units=4)
    other = Access((3, 4), (LANES, 3 * LANES), 1, base=WORDS // 2, units=4)
    data = np.random.default_rng(9).integers(0, 2**32, (12, LANES), np.uint32)
    await pmu.write([*access.words(2, 1, 0), *other.words(3, 2, 1)])
    await pmu.write([*access.words(0, 3, 0, awaits=0b111), *other.words(1, 4, 1, awaits=0b010)])
    pmu.clear()
    await pmu.begin()

    async def settle() -> tuple[int, int]:
        for _ in range(20):
            await pmu.cycle()
        return len(pmu.out[0]), len(pmu.out[1])

    pmu.feed[0].extend(packets_for(access, 1, data[:6]))  # two units of writer 0
    assert await settle() == (0, 0)
    pmu.feed[1].extend(packets_for(other, 2, data[:3]))  # one of writer 1
    assert await settle() == (0, 3)
    await pmu.cycle(1 << 6)  # and one elsewhere
    assert await settle() == (3, 3)
    pmu.feed[1].extend(packets_for(other, 2, data[3:]))
    assert await settle() == (3, 12)
    for _ in range(3):
        await pmu.cycle(1 << 6)
    assert await settle() == (6, 12)
    pmu.feed[0].extend(packets_for(access, 1, data[6:]))
    assert await settle() == (12, 12)
    for plane in range(2):
        np.testing.assert_array_equal([packet.words for packet in pmu.out[plane]], data)
    assert pmu.tokens[:4] == [4, 4, 4, 4]
    assert int(dut.done_o.value)


@cocotb.test()
async def poison_stays_with_its_words_and_strangers_are_dropped(dut: Any) -> None:
    pmu = Pmu(dut, 10)
    await pmu.start()
    await pmu.fill(random_image(10))
    strays, poisoned = pmu.stat(STRAYS), pmu.stat(POISONED)
    access = Access((4,), (LANES,), 1, high=2 * LANES + 4)
    rows = [tuple(range(LANES))] * 4
    await pmu.write([*access.words(2, 1, 0), (0, 0), (32, 0), (96, 0)])
    await pmu.begin()
    for number, row in enumerate(rows):
        pmu.feed[0].append(Packet(1, number, row, poison=number in (1, 2)))
        pmu.feed[1].append(Packet(1, number, row))  # the same flow on the other plane
        pmu.feed[0].append(Packet(2, number, row))
    await pmu.finish()
    assert pmu.stat(STRAYS) - strays == 8
    assert pmu.stat(POISONED) - poisoned == 2
    odd = Access((8,), (4,), 1)
    await pmu.write([*odd.words(0, 0, 0), (64, 0)])
    pmu.clear()
    await pmu.begin()
    await pmu.finish()
    # Words 8..15 and 16..19 are poisoned: what was dropped left no poison.
    assert [packet.poison for packet in pmu.out[0]] == [False, True, True, True, True, False, False, False]


@cocotb.test()
async def a_reset_leaves_nothing_behind(dut: Any) -> None:
    pmu = Pmu(dut, 11)
    await pmu.start()
    access = Access((20,), (LANES,), 1)
    for cut in (3, 9, 17, 30):
        await pmu.write([*access.words(2, 1, 0), *access.words(0, 2, 1, awaits=1)])
        pmu.clear()
        pmu.stall = 0.5
        await pmu.begin()
        pmu.feed[0].extend(packets_for(access, 1, np.ones((20, LANES), np.uint32)))
        for _ in range(cut):
            await pmu.cycle()
        await pmu.reset()
        assert int(dut.done_o.value)
        assert not int(dut.tx_valid_o.value)
        assert not int(dut.stat_o.value)
        for _ in range(5):
            await FallingEdge(dut.clk_i)
        pmu.stall = 0.0
        image = random_image(cut)
        await pmu.fill(image)
        np.testing.assert_array_equal(await pmu.image(WORDS), image)
