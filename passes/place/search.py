"""Searches over plans on the board, compiled: orders and their evolution, ruin and recreate.

An evaluation is a whole plan priced. Evolution spends each on decoding an order from nothing. Ruin and
recreate takes some tensors that live near each other off the best plan found so far and lays them again in
another order, leaving the rest where it is.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .board import Desk, clear_class, copy_to, price, saved_s
from .laying import lay, place_class

NO_BOOK = np.zeros((0, 0))
"""For `board.price` where nobody asks when each copy moves."""


@njit(cache=True)
def decode(T, L, B, bare, order, whole, book):
    """Lay classes in an order, each where it does not cost, ``whole`` lives or also parts; the latency.

    ``bare`` is the board to begin with.
    """
    copy_to(B, bare)
    for at in range(order.size):
        if L.pinned[order[at]]:
            continue
        if whole:
            place_class(T, L, B, order[at], 0.0)
        else:
            lay(T, L, B, order[at], 0.0, 0.0)
    return price(T, B, book)


@njit(cache=True)
def _crossed(one, two):
    """Order crossover: a stretch of one, the rest in the order of two."""
    n = one.size
    child = np.empty(n, np.int64)
    taken = np.zeros(n, np.bool_)
    low, high = np.random.randint(n), np.random.randint(n)
    if low > high:
        low, high = high, low
    for at in range(low, high + 1):
        child[at] = one[at]
        taken[one[at]] = True
    write = 0
    for at in range(n):
        if taken[two[at]]:
            continue
        if write == low:
            write = high + 1
        child[write] = two[at]
        write += 1
    return child


@njit(cache=True)
def _mutate(order):
    """Move one entry elsewhere, a few times."""
    n = order.size
    for _ in range(1 + np.random.randint(3)):
        old, new = np.random.randint(n), np.random.randint(n)
        moved = order[old]
        if old < new:
            for at in range(old, new):
                order[at] = order[at + 1]
        else:
            for at in range(old, new, -1):
                order[at] = order[at - 1]
        order[new] = moved


@njit(cache=True)
def evolve(T, L, B, bare, best, orders, fitness, whole, seed, book, curve):
    """Evolution over orders, steady state, tournaments of two; the best latency, its plan in `best`.

    ``orders`` [P, classes] is the population and ``fitness`` [P] its latencies, infinite where unknown; both
    are changed; ``bare`` and ``whole`` are `decode`'s. ``curve`` takes the best latency after each
    evaluation: there are as many as it is long.
    """
    np.random.seed(seed)
    count = orders.shape[0]
    found = fitness.min()
    for number in range(curve.size):
        slot = np.argmax(fitness)
        known = fitness[slot] < np.inf
        if not known:
            child = orders[slot].copy()
        else:
            a, b = np.random.randint(count), np.random.randint(count)
            one = a if fitness[a] <= fitness[b] else b
            a, b = np.random.randint(count), np.random.randint(count)
            two = a if fitness[a] <= fitness[b] else b
            child = _crossed(orders[one], orders[two]) if np.random.random() < 0.5 else orders[one].copy()
            _mutate(child)
        latency = decode(T, L, B, bare, child, whole, book)
        if latency <= fitness[slot]:
            orders[slot] = child
            fitness[slot] = latency
        if latency < found:
            found = latency
            copy_to(best, B)
        curve[number] = found
    return found


@njit(cache=True)
def _spans(T, L, first, last):
    for x in range(T.height.size):
        g = T.group[x]
        if L.access_at[x] == L.access_at[x + 1]:
            continue
        first[g] = min(first[g], T.instruction[L.access[L.access_at[x]]])
        last[g] = max(last[g], T.final[x])


@njit(cache=True)
def _shuffled(chosen, worth, first, last, height):
    """An order of the chosen classes by one of several measures, with noise."""
    n = chosen.size
    key = np.empty(n)
    measure = np.random.randint(6)
    noise = np.random.random() * 0.6
    for at in range(n):
        g = chosen[at]
        if measure == 0:
            value = worth[g] / np.sqrt(height[g])
        elif measure == 1:
            value = worth[g] / (height[g] * max(last[g] - first[g] + 1.0, 1.0))
        elif measure == 2:
            value = worth[g]
        elif measure == 3:
            value = 1.0 / (1.0 + first[g])
        elif measure == 4:
            value = float(height[g]) * (last[g] - first[g] + 1.0)
        else:
            value = 1.0
        key[at] = (
            -value
            * (1.0 + noise * (np.random.random() - 0.5) * 2.0)
            * (np.random.random() if measure == 5 else 1.0)
        )
    return chosen[np.argsort(key)]


@njit(cache=True)
def ruin_and_recreate(T, L, B, best, work, worth, height, heat, seed, book, curve):
    """Improve the plan on B; the best latency, its plan in `best`.

    Args:
        T, L: the problem.
        B: the plan to start from; changed.
        best: the best plan so far.
        work: a board to use.
        worth, height: by class, for the orders to lay in.
        heat: (from, to) relative tolerance with which a worse plan is taken.
        seed: of the random numbers.
        book: empty, for `price`.
        curve: takes the best latency after each evaluation: there are as many as it is long.
    """
    np.random.seed(seed)
    classes = worth.size
    first = np.full(classes, T.compute_s.size)
    last = np.zeros(classes, np.int64)
    _spans(T, L, first, last)
    now = price(T, B, book)
    found = price(T, best, book)
    chosen = np.empty(classes, np.int64)
    for number in range(curve.size):
        copy_to(work, B)
        middle = np.random.randint(T.compute_s.size)
        reach = int(T.compute_s.size * 0.5 * np.random.random() ** 3)
        wanted = 2 + np.random.randint(14)
        near = 0
        for g in range(classes):
            if first[g] <= middle + reach and last[g] >= middle - reach and not L.pinned[g]:
                chosen[near] = g
                near += 1
        for at in range(min(wanted, near)):  # a random few of those near come first
            other = at + np.random.randint(near - at)
            chosen[at], chosen[other] = chosen[other], chosen[at]
        few = min(wanted, near)
        for at in range(few):
            clear_class(T, L, work, chosen[at])
        price(T, work, book)
        order = _shuffled(chosen[:few].copy(), worth, first, last, height)
        blink = 0.0 if np.random.random() < 0.5 else 0.1 * np.random.random()
        least = 0.0 if np.random.random() < 0.5 else 1e-12
        for at in range(few):
            lay(T, L, work, order[at], blink, least)
        latency = price(T, work, book)
        tolerance = heat[0] + (heat[1] - heat[0]) * number / curve.size
        if latency <= now * (1.0 + tolerance * np.random.random()):
            now = latency
            copy_to(B, work)
        if latency < found:
            found = latency
            copy_to(best, work)
        curve[number] = found
    return found


def measures(desk: Desk) -> tuple[np.ndarray, np.ndarray]:
    """What each class could save, seconds, and its height, bytes."""
    T, board = desk.tables, desk.empty()
    worth, height = np.zeros(desk.classes), np.zeros(desk.classes)
    np.add.at(worth, T.group[T.tensor], [saved_s(T, board, a) for a in range(T.tensor.size)])
    np.maximum.at(height, T.group, T.height)
    return worth, height
