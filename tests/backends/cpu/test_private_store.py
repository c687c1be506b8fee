"""Items in an oblivious map: a dictionary's answers, the same accesses for any; pages of a cache."""

from __future__ import annotations

import numpy as np
import pytest

from penstock.backends.cpu.private_store import Store
from penstock.ir.errors import InputError
from penstock.sim.bolt import Keys, Trace

LAYERS, HEADS, PAGES, TOKENS, WIDTH = 2, 3, 8, 4, 16
PAGE = TOKENS * WIDTH
EXTENTS = (LAYERS, HEADS, PAGES)


def test_a_store_is_a_dictionary() -> None:
    random = np.random.default_rng(0)
    store, expected = Store((5, 7), 1000, keys=Keys.from_seed(1)), {}
    assert store.layout.chunks == 5
    for _ in range(30):
        count = int(random.integers(1, 6))
        at = np.stack([random.integers(0, 5, count), random.integers(0, 7, count)], 1)
        if random.random() < 0.5:
            items = random.integers(0, 256, (count, 1000), np.uint8)
            store.put(at, items)
            expected |= {tuple(place): item for place, item in zip(at.tolist(), items, strict=True)}
        wanted = [expected.get(tuple(place), np.zeros(1000, np.uint8)) for place in at.tolist()]
        np.testing.assert_array_equal(store.get(at), np.stack(wanted))


def test_what_the_host_sees_does_not_say_what_was_asked_put_or_there() -> None:
    seen = []
    for case in range(3):
        store = Store((8,), 300, alpha=0.0, keys=Keys.from_seed(1))
        store.map.memory.trace = trace = Trace()
        at = np.array([[[3]] * 6, [[n] for n in range(6)], [[7], [0], [7], [0], [1], [1]]][case])
        store.put(at, np.full((6, 300), case, np.uint8))
        for _ in range(2):
            (store.get(at) if case else store.put(at, np.zeros((6, 300), np.uint8)))
        seen.append(trace.array()[["index", "length", "direction"]])
    assert len(seen[0]) == 3 * 6 * store.layout.chunks * 4
    for other in seen[1:]:
        np.testing.assert_array_equal(other, seen[0])


def test_attention_over_pages_chosen_in_private_is_attention_over_those_pages() -> None:
    """Each head reads as many pages as the others, which ones its query decides."""
    random = np.random.default_rng(3)
    kept = random.standard_normal((LAYERS, HEADS, PAGES, 2, TOKENS, WIDTH)).astype(np.float32)
    store = Store(EXTENTS, 2 * PAGE * 4)
    for layer in range(LAYERS):
        for page in range(PAGES):
            at = np.array([[layer, head, page] for head in range(HEADS)])
            store.put(at, kept[layer, :, page].reshape(HEADS, -1))
    before = store.map.counters.accesses
    for layer in range(LAYERS):
        query = random.standard_normal((HEADS, WIDTH)).astype(np.float32)
        means = kept[layer, :, :, 0].mean(2)
        chosen = np.argsort(np.einsum("hd,hpd->hp", query, means))[:, -2:]
        at = np.array([[layer, head, page] for head in range(HEADS) for page in chosen[head]])
        fetched = store.get(at).view(np.float32).reshape(HEADS, 2, 2, TOKENS, WIDTH)
        got = _attend(query, fetched)
        wanted = _attend(query, kept[layer][np.arange(HEADS)[:, None], chosen])
        np.testing.assert_array_equal(got, wanted)
    assert store.map.counters.accesses - before == LAYERS * HEADS * 2 * store.layout.chunks


def _attend(query: np.ndarray, pages: np.ndarray) -> np.ndarray:
    """One query a head over pages [h, n, 2, tokens, d] of keys and values."""
    keys, values = (pages[:, :, which].reshape(HEADS, -1, WIDTH) for which in (0, 1))
    weights = np.exp(np.einsum("hd,hmd->hm", query, keys) / 4)
    return np.einsum("hm,hmd->hd", weights / weights.sum(1, keepdims=True), values)


def test_coordinates_and_items_that_do_not_fit_are_refused() -> None:
    store = Store((2, 3), 8)
    with pytest.raises(InputError, match="out of range"):
        store.get(np.array([[0, 3]]))
    with pytest.raises(InputError, match="out of range"):
        store.get(np.array([[-1, 0]]))
    with pytest.raises(InputError, match="whole numbers"):
        store.get(np.array([[0.0, 1.0]]))
    with pytest.raises(InputError, match="8 bytes"):
        store.put(np.array([[0, 1]]), np.zeros((1, 9), np.uint8))
    with pytest.raises(InputError, match="8 bytes"):
        Store((2, 3), 8, np.zeros((5, 8), np.uint8))
