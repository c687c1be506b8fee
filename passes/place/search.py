"""Searches over plans on the board, in C: orders and their evolution, ruin and recreate.

An evaluation is a whole plan priced. Evolution spends each on decoding an order from nothing. Ruin and
recreate takes some tensors that live near each other off the best plan found so far and lays them again in
another order, leaving the rest where it is.
"""

from __future__ import annotations

import numpy as np

from .board import Board, Desk, saved_s
from .native import library


def evolve(
    desk: Desk, best: Board, orders: np.ndarray, fitness: np.ndarray, whole: bool, seed: int, count: int
) -> np.ndarray:
    """Evolution over orders, steady state, tournaments of two; the best latency after each evaluation.

    Args:
        desk: the problem.
        best: takes the best plan.
        orders: the population [P, classes]; changed.
        fitness: its latencies [P], infinite where unknown; changed.
        whole: stays last as long as their tensors live; else they may end early.
        seed: of the random numbers.
        count: evaluations.

    Raises:
        MemoryError: there is none.
    """
    curve, work = np.zeros(count), desk.empty()
    boards = (work.at.ctypes, desk.bare.at.ctypes, best.at.ctypes)
    population = (len(orders), desk.classes, orders.ctypes, fitness.ctypes)
    T, L = desk.tables.at.ctypes, desk.lists.at.ctypes
    if not library().pst_evolve(T, L, *boards, *population, whole, seed, count, curve.ctypes):
        raise MemoryError("no memory for a population")
    return curve


def ruin_and_recreate(
    desk: Desk,
    board: Board,
    best: Board,
    values: tuple[np.ndarray, np.ndarray],
    heat: np.ndarray,
    seed: int,
    count: int,
) -> np.ndarray:
    """Improve a plan; the best latency after each evaluation.

    Args:
        desk: the problem.
        board: the plan to start from; changed.
        best: the best plan so far; changed.
        values: `measures`, for the orders to lay in.
        heat: relative tolerance [2] with which a worse plan is taken, at first and at last.
        seed: of the random numbers.
        count: evaluations.

    Raises:
        MemoryError: there is none.
    """
    curve, work = np.zeros(count), desk.empty()
    worth, height = values
    boards = (board.at.ctypes, best.at.ctypes, work.at.ctypes)
    how = (desk.classes, worth.ctypes, height.ctypes, heat.ctypes, seed, count, curve.ctypes)
    if not library().pst_ruin_and_recreate(desk.tables.at.ctypes, desk.lists.at.ctypes, *boards, *how):
        raise MemoryError("no memory for ruin and recreate")
    return curve


def measures(desk: Desk) -> tuple[np.ndarray, np.ndarray]:
    """What each class could save, seconds, and its height, bytes."""
    T, board = desk.tables, desk.empty()
    worth, height = np.zeros(desk.classes), np.zeros(desk.classes)
    np.add.at(worth, T.group[T.tensor], [saved_s(T, board, a) for a in range(T.tensor.size)])
    np.maximum.at(height, T.group, T.height)
    return worth, height
