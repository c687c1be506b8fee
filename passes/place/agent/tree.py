"""Gumbel search over the three moves, many trees at once, after Danihelka et al. (ICLR 2022).

The root samples moves without replacement (Gumbel top-k) and halves them by visits; inside, the move whose
visits lag its improved policy most is taken. Improved policy = softmax(logits + q / scale), q the mean return
found below, or for moves not tried a mix of the network's value and the tried ones' (their appendix D). We
divide q by a scale of returns instead of by the tree's own minimum and maximum: siblings often differ by
nothing, which that would blow up.

The game is finite and nothing in it is left to chance, so a subtree that has been seen whole is closed: its
value is the best of its ends, and no simulation goes there again while another move is open.

Trees are arrays, a row each. In the simulator's tree a path is replayed from the root's state and every edge
is a legal move with the obvious moves after it; a learned model keeps a latent state per node instead.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from .. import rules
from .lanes import copy_state, decide, row
from .observation import observe

MOVES = 3


class Trees(NamedTuple):
    """B trees of at most M nodes; node 0 is the root."""

    count: np.ndarray  # [B] nodes
    child: np.ndarray  # [B, M, 3] -1: none yet
    visits: np.ndarray  # [B, M, 3]
    total: np.ndarray  # [B, M, 3] sum of returns from here by that move
    reward: np.ndarray  # [B, M, 3] of that move, share of the all-slow latency
    logits: np.ndarray  # [B, M, 3]
    legal: np.ndarray  # [B, M, 3] bool
    value: np.ndarray  # [B, M] the network's
    closed: np.ndarray  # [B, M] bool: all below has been seen, and the value is exact
    depth: np.ndarray  # [B] of the path taken last
    path_node: np.ndarray  # [B, M]
    path_move: np.ndarray  # [B, M]


def trees(count: int, simulations: int) -> Trees:
    """Room for so many trees."""
    nodes = simulations + 1

    def zeros(*shape: int, dtype: type = np.float64) -> np.ndarray:
        return np.zeros((count, *shape), dtype)

    return Trees(
        count=zeros(dtype=np.int64),
        child=np.full((count, nodes, MOVES), -1, np.int64),
        visits=zeros(nodes, MOVES, dtype=np.int64),
        total=zeros(nodes, MOVES),
        reward=zeros(nodes, MOVES),
        logits=zeros(nodes, MOVES),
        legal=zeros(nodes, MOVES, dtype=np.bool_),
        value=zeros(nodes),
        closed=zeros(nodes, dtype=np.bool_),
        depth=zeros(dtype=np.int64),
        path_node=zeros(nodes, dtype=np.int64),
        path_move=zeros(nodes, dtype=np.int64),
    )


def halving(considered: int, simulations: int) -> np.ndarray:
    """Visits a root move must have to be taken, per simulation: sequential halving as a table.

    Rounds share the simulations equally; in each, the moves still considered get the same number of visits.
    The last round, of two moves, goes on until the simulations are used up.
    """
    if considered <= 1:
        return np.arange(simulations)
    rounds = max(1, int(np.ceil(np.log2(considered))))
    visits = [0] * considered
    wanted: list[int] = []
    alive = considered
    while len(wanted) < simulations:
        for _ in range(max(1, simulations // (rounds * alive))):
            wanted += visits[:alive]
            for at in range(alive):
                visits[at] += 1
        alive = max(2, alive // 2)
    return np.array(wanted[:simulations])


def schedule(simulations: int) -> np.ndarray:
    """`halving` for every number of legal moves, [4, simulations]."""
    return np.stack([halving(considered, simulations) for considered in range(MOVES + 1)])


@njit(cache=True)
def q(R, b, n, move):
    """The value of a move that has been tried."""
    child = R.child[b, n, move]
    if R.closed[b, child]:
        return R.reward[b, n, move] + R.value[b, child]
    return R.total[b, n, move] / R.visits[b, n, move]


@njit(cache=True)
def completed(R, b, n, out):
    """q of every move of a node: exact, else the mean return; of moves not tried, the mixed value."""
    tried, weight, mixed = 0, 0.0, 0.0
    top = -1e30
    for move in range(MOVES):
        if R.legal[b, n, move]:
            top = max(top, R.logits[b, n, move])
    for move in range(MOVES):
        if R.visits[b, n, move] > 0:
            p = np.exp(R.logits[b, n, move] - top)
            tried += R.visits[b, n, move]
            weight += p
            mixed += p * q(R, b, n, move)
    value = R.value[b, n]
    if tried:
        value = (value + tried * mixed / max(weight, 1e-300)) / (1 + tried)
    for move in range(MOVES):
        out[move] = q(R, b, n, move) if R.visits[b, n, move] else value


@njit(cache=True)
def improved(R, b, n, scale, out):
    """The improved policy of a node."""
    completed(R, b, n, out)
    top = -1e30
    for move in range(MOVES):
        if R.legal[b, n, move]:
            out[move] = R.logits[b, n, move] + out[move] / scale
            top = max(top, out[move])
    total = 0.0
    for move in range(MOVES):
        out[move] = np.exp(out[move] - top) if R.legal[b, n, move] else 0.0
        total += out[move]
    for move in range(MOVES):
        out[move] /= total


@njit(cache=True)
def lagging(R, b, n, scale, policy):
    """The move, not closed, whose visits lag the improved policy most."""
    improved(R, b, n, scale, policy)
    visits = 0
    for move in range(MOVES):
        visits += R.visits[b, n, move]
    best, most = -1, -1e30
    for move in range(MOVES):
        child = R.child[b, n, move]
        if R.legal[b, n, move] and not (child >= 0 and R.closed[b, child]):
            lag = policy[move] - R.visits[b, n, move] / (1 + visits)
            if lag > most:
                best, most = move, lag
    return best


@njit(cache=True)
def root_move(R, b, wanted, gumbel, scale, found):
    """The root's move among those with so many visits, or any for -1: highest gumbel + logits + q / scale."""
    completed(R, b, 0, found)
    best, most = -1, -1e30
    for move in range(MOVES):
        if R.legal[b, 0, move] and (R.visits[b, 0, move] == wanted or wanted < 0):
            worth = gumbel[move] + R.logits[b, 0, move] + found[move] / scale
            if worth > most:
                best, most = move, worth
    return best


@njit(cache=True)
def descend(R, gumbels, wanted, scale):
    """Choose in every tree the path to the next leaf; a tree whose root is closed gets none."""
    scratch = np.zeros(MOVES)
    for b in range(R.count.size):
        R.depth[b] = 0
        n, move = 0, -1
        if R.closed[b, 0]:
            continue
        considered = 0
        for m in range(MOVES):
            considered += R.legal[b, 0, m]
        move = root_move(R, b, wanted[considered], gumbels[b], scale, scratch)
        while True:
            R.path_node[b, R.depth[b]] = n
            R.path_move[b, R.depth[b]] = move
            R.depth[b] += 1
            n = R.child[b, n, move]
            if n < 0 or R.closed[b, n]:
                break
            move = lagging(R, b, n, scale, scratch)


@njit(cache=True)
def walk(T, roots, scratch, F, R, seen, access, legal, over, rewards):
    """Replay every path in the simulator: what is seen at its end, the reward of its last move."""
    for b in range(R.count.size):
        legal[b, :] = False
        over[b] = True
        rewards[b] = 0.0
        if R.depth[b] == 0:
            continue
        S = row(scratch, b)
        copy_state(S, row(roots, b))
        for step in range(R.depth[b]):
            rewards[b] = decide(T, S, R.path_move[b, step]) / F.all_slow_s
        observe(T, S, F, seen[b])
        access[b] = min(S.head[rules.POINTER], T.tensor.size - 1)
        over[b] = S.head[rules.POINTER] >= T.tensor.size
        for move in range(MOVES):
            legal[b, move] = S.legal[move] != 0 and not over[b]


@njit(cache=True)
def plant(R, logits, legal, value):
    """New trees of a root each."""
    R.child[:] = -1
    R.visits[:] = 0
    R.total[:] = 0.0
    R.count[:] = 1
    for b in range(R.count.size):
        R.logits[b, 0] = logits[b]
        R.value[b, 0] = value[b]
        R.legal[b, 0] = legal[b]
        R.closed[b, 0] = not legal[b].any()


@njit(cache=True)
def close(R, b, n):
    """Close a node whose every move leads to a closed one."""
    best = -1e30
    for move in range(MOVES):
        if R.legal[b, n, move]:
            child = R.child[b, n, move]
            if child < 0 or not R.closed[b, child]:
                return
            best = max(best, R.reward[b, n, move] + R.value[b, child])
    R.closed[b, n] = True
    R.value[b, n] = best


@njit(cache=True)
def grow(R, logits, legal, value, over, rewards):
    """Add the leaves that paths ended in and back their returns up."""
    for b in range(R.count.size):
        if R.depth[b] == 0:
            continue
        last = R.depth[b] - 1
        parent, move = R.path_node[b, last], R.path_move[b, last]
        leaf = R.child[b, parent, move]
        if leaf < 0:
            leaf = R.count[b]
            R.count[b] += 1
            R.child[b, parent, move] = leaf
            R.reward[b, parent, move] = rewards[b]
            R.logits[b, leaf] = logits[b]
            R.legal[b, leaf] = legal[b]
            R.closed[b, leaf] = over[b]
            R.value[b, leaf] = 0.0 if over[b] else value[b]
        found = R.value[b, leaf]
        for step in range(last, -1, -1):
            n, m = R.path_node[b, step], R.path_move[b, step]
            found += R.reward[b, n, m]
            R.visits[b, n, m] += 1
            R.total[b, n, m] += found
            close(R, b, n)


@njit(cache=True)
def conclude(R, gumbels, scale, moves, policies):
    """The move each root ends on (-1 where it is over) and its improved policy, the target to learn."""
    scratch = np.zeros(MOVES)
    for b in range(R.count.size):
        moves[b] = -1
        policies[b, :] = 0.0
        if not R.legal[b, 0].any():
            continue
        most = -1 if R.closed[b, 0] else R.visits[b, 0].max()
        moves[b] = root_move(R, b, most, gumbels[b], scale, scratch)
        improved(R, b, 0, scale, scratch)
        policies[b] = scratch
