"""SipHash, the generator of bins and the page codec against published vectors and written layouts."""

from __future__ import annotations

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from penstock.ir.errors import FaultError, InputError
from penstock.sim.bolt import BoltConfig, Keys, Op, Response, Status
from penstock.sim.bolt.drbg import Drbg, pair_of_words, words_of_pair
from penstock.sim.bolt.packet import PacketCipher
from penstock.sim.bolt.page import PageCipher, encode
from penstock.sim.bolt.prf import buckets_of, siphash24

# Aumasson and Bernstein's reference vectors: key 00…0f, message 00… of a length; tags as they print them.
SIPHASH = {0: "310e0edd47db6f72", 1: "fd67dc93c539f874", 15: "e545be4961ca29a1"}


@pytest.mark.parametrize("length", SIPHASH)
def test_siphash_gives_the_published_tags(length: int) -> None:
    tag = siphash24(bytes(range(16)), bytes(range(length)))
    assert tag.to_bytes(8, "little").hex() == SIPHASH[length]


def test_buckets_of_a_key_are_two_and_spread_evenly() -> None:
    counts = np.zeros((2, 64), int)
    for key in range(6400):
        first, second = buckets_of(bytes(16), key, 64)
        assert first != second
        counts[0, first] += 1
        counts[1, second] += 1
    assert (abs(counts - 100) < 50).all()


def test_words_are_aes_blocks_of_a_counter_big_endian() -> None:
    key = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
    ecb = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    drbg = Drbg(key)
    for access in range(3):
        blocks = ecb.update(b"".join((2 * access + at).to_bytes(16, "big") for at in range(2)))
        assert b"".join(word.to_bytes(8, "big") for word in drbg.words()) == blocks


def test_pairs_are_distinct_uniform_and_named_by_words() -> None:
    bins = 8
    drbg = Drbg(bytes(16))
    counts = np.zeros((bins, bins), int)
    for _ in range(5600):
        words = drbg.words()
        counts[pair_of_words(words[0], words[1], bins)] += 1
    off_diagonal = counts[~np.eye(bins, dtype=bool)]
    assert counts.trace() == 0
    assert ((off_diagonal - 100) ** 2 / 100).sum() < 110  # 55 degrees of freedom
    for x in range(bins):
        for y in range(bins):
            assert x == y or pair_of_words(*words_of_pair(x, y, bins), bins) == (x, y)
    assert pair_of_words((1 << 64) - 1, (1 << 64) - 1, bins) == (7, 6)


def test_a_page_is_mask_slots_zeros_and_tag() -> None:
    config = BoltConfig(value_bytes=8)
    assert (config.page_bytes, config.body_bytes) == (256, 240)
    body = encode(config, [(0x01020304, b"abcdefgh"), (7, bytes(8))])
    assert body == b"\x03" + bytes(7) + b"\x04\x03\x02\x01abcdefgh\x07" + bytes(11) + bytes(240 - 32)


@pytest.mark.parametrize(("bin_", "counter", "slots"), [(6, 1, 16), (5, 2, 16), (5, 0, 16), (5, 1, 15)])
def test_a_page_opens_only_as_what_it_was_sealed(bin_: int, counter: int, slots: int) -> None:
    config, other = BoltConfig(value_bytes=8), BoltConfig(value_bytes=8, slots=slots)
    page = PageCipher(config, bytes(16)).seal(5, 1, [(3, b"secretly")])
    assert PageCipher(config, bytes(16)).open(5, 1, page) == [(3, b"secretly")]
    with pytest.raises(FaultError, match="tag"):
        PageCipher(other, bytes(16)).open(bin_, counter, page)
    with pytest.raises(FaultError, match="255 bytes"):
        PageCipher(config, bytes(16)).open(5, 1, page[:-1])


def test_a_page_rewritten_unchanged_looks_new() -> None:
    cipher = PageCipher(BoltConfig(), bytes(16))
    one, two = cipher.seal(5, 1, []), cipher.seal(5, 2, [])
    assert sum(a == b for a, b in zip(one, two, strict=True)) < 16


def test_packets_are_of_one_size_and_refused_out_of_order() -> None:
    config = BoltConfig()
    cipher = PacketCipher(config, Keys.from_seed(1).session)
    sealed = [
        cipher.seal_command(0, Op.GET, 5),
        cipher.seal_command(1, Op.PUT, 6, bytes(range(16))),
        cipher.seal_response(0, Response(Status.FOUND, 5, bytes(range(16)))),
    ]
    assert {len(each) for each in sealed} == {config.packet_bytes} == {64}
    assert cipher.open_command(1, sealed[1]) == (Op.PUT, 6, bytes(range(16)))
    assert cipher.open_response(0, sealed[2]) == Response(Status.FOUND, 5, bytes(range(16)))
    for sequence, packet in ((1, sealed[0]), (0, sealed[1]), (0, sealed[2]), (0, sealed[0][:-1] + b"!")):
        with pytest.raises(FaultError, match="tag"):
            cipher.open_command(sequence, packet)


@pytest.mark.parametrize(
    ("sizes", "named"),
    [
        ({"capacity": 1000}, "capacity"),
        ({"capacity": 16}, "capacity"),
        ({"value_bytes": 6}, "value_bytes"),
        ({"alpha": 1.5}, "alpha"),
        ({"alpha": float("nan")}, "alpha"),
        ({"slots": 8}, "slots"),
        ({"base": 100}, "base"),
        ({"bin_keys": 3}, "bin_keys"),
    ],
)
def test_sizes_that_cannot_be_are_named(sizes: dict[str, float], named: str) -> None:
    with pytest.raises(InputError, match=f"BoltConfig.{named}"):
        BoltConfig(**sizes)  # pyright: ignore[reportArgumentType]
