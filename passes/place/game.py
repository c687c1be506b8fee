"""MMG-1 as an environment: one access a move, legal moves, rewards that add up to the latency saved.

The return of an episode is the latency with everything in slow memory minus the final latency. States are
flat arrays: ``save`` and ``load`` copy them (microseconds), so a search can go back anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...ir.errors import InputError
from . import rules
from .native import addresses
from .plan import Copy, MemoryMap, Rectangle
from .problem import Machine, Problem
from .rules import State, Tables

MOVES = ("drop", "keep", "copy")
VARIANTS = ("extend", "reserve")
STORED = State._fields[:-1]
"""The fields of a state that are its own: all but the addresses."""


def tables(problem: Problem, machine: Machine, variant: str = "reserve") -> Tables:
    """The problem as the rules read it.

    Raises:
        InputError: no such variant.
    """
    if variant not in VARIANTS:
        raise InputError(f"variant {variant!r}", where="MMG-1", accepted=", ".join(VARIANTS))
    count, accesses = len(problem.tensors), problem.accesses
    instruction = np.array([a.instruction for a in accesses], np.int64)
    tensor = np.array([a.tensor for a in accesses], np.int64)
    moved = np.array([a.bytes for a in accesses], np.float64)
    size = np.array([t.size for t in problem.tensors], np.int64)
    group = np.array(problem.alias_class, np.int64)
    align = machine.alignment
    height = -(-size // align) * align
    capacity = machine.capacity // align * align
    final = np.zeros(count, np.int64)
    final[tensor] = instruction  # in program order: the last access stays
    need = np.zeros(count, np.int64)
    np.maximum.at(need, group, height)
    barred = np.zeros(count, bool)
    np.logical_or.at(barred, group, [not t.fast for t in problem.tensors])
    traffic = np.zeros(len(problem.instructions))
    np.add.at(traffic, instruction, moved / machine.slow_bytes_per_s)
    arrays = {
        "instruction": instruction,
        "tensor": tensor,
        "output": np.array([a.output for a in accesses], np.int64),
        "slow_s": moved / machine.slow_bytes_per_s,
        "fast_s": moved / machine.fast_bytes_per_s,
        "compute_s": np.array([i.compute_s for i in problem.instructions], np.float64),
        "traffic_s": traffic,
        "height": height,
        "need": need[group],
        "demand_s": size / machine.slow_bytes_per_s,
        "movable": (~barred[group] & (need[group] <= capacity)).astype(np.int64),
        "param": np.array([t.kind == "param" for t in problem.tensors], np.int64),
        "result": np.array([t.kind == "result" for t in problem.tensors], np.int64),
        "group": group,
        "shared": (np.bincount(group, minlength=count)[group] > 1).astype(np.int64),
        "final": final,
        "machine": np.array(
            [capacity, VARIANTS.index(variant), len(accesses), len(problem.instructions), count], np.int64
        ),
    }
    return Tables(**arrays, at=addresses(arrays.values()))


def fresh(T: Tables) -> State:
    """Arrays for a state of a problem."""
    a, n, x = T.tensor.size, T.compute_s.size, T.height.size

    def ints(count: int) -> np.ndarray:
        return np.zeros(count, np.int64)

    return _state(
        head=ints(3),
        slow_s=np.zeros(n),
        fast_s=np.zeros(n),
        charged_s=np.zeros(n),
        r_offset=ints(a),
        r_top=ints(a),
        r_first=ints(a),
        r_last=ints(a),
        r_tensor=ints(a),
        score_s=np.zeros(1),
        moves=np.zeros(a, np.int8),
        stall_s=np.zeros(n),
        slow_ready=ints(x),
        cur_offset=ints(x),
        cur_first=ints(x),
        cur_last=ints(x),
        group_memory=ints(x),
        group_offset=ints(x),
        group_first=ints(x),
        forced=ints(x),
        log=np.zeros((x, 2), np.int64),
        legal=ints(3),
        o_offset=ints(3),
        o_first=ints(3),
        o_last=ints(3),
        o_ready=ints(3),
        o_stall_s=np.zeros(3),
        o_gain_s=np.zeros(3),
    )


def copied(S: State) -> State:
    """A state that lies elsewhere: copies of the arrays, and their addresses."""
    return _state(**{name: getattr(S, name).copy() for name in STORED})


def _state(**arrays: np.ndarray) -> State:
    """A state of all arrays but their addresses, in `State`'s order."""
    return State(**arrays, at=addresses(arrays.values()))


class Game:
    """One game of MMG-1.

    Args:
        problem: to map.
        machine: to map it to.
        variant: ``reserve`` holds rectangles to the tensor's last use; ``extend`` from use to use.
    """

    def __init__(self, problem: Problem, machine: Machine, variant: str = "reserve") -> None:
        self.problem, self.machine, self.variant = problem, machine, variant
        self.tables = tables(problem, machine, variant)
        self.state = fresh(self.tables)
        self.all_slow_s = float(np.maximum(self.tables.compute_s, self.tables.traffic_s).sum())
        self.reset()

    def reset(self) -> None:
        """Start again, nothing forced."""
        self.state.forced[:] = 0
        self.state.head[rules.BACKUPS] = 0
        rules.begin(self.tables, self.state)
        rules.settle(self.tables, self.state)

    @property
    def pointer(self) -> int:
        """The access to decide, an index into `Problem.accesses`."""
        return int(self.state.head[rules.POINTER])

    @property
    def done(self) -> bool:
        """Whether all accesses are decided."""
        return self.pointer >= self.tables.tensor.size

    @property
    def legal(self) -> np.ndarray:
        """Legal moves, booleans in the order of `MOVES`."""
        return self.state.legal.astype(bool)

    @property
    def gains_s(self) -> np.ndarray:
        """What each legal move would save at once, seconds; 0 for those that are not legal."""
        return np.where(self.legal, self.state.o_gain_s, 0.0)

    @property
    def score_s(self) -> float:
        """Latency saved so far: the sum of the rewards."""
        return float(self.state.score_s[0])

    @property
    def latency_s(self) -> float:
        """Latency as decided so far, the rest served from slow memory."""
        return float(rules.latency_s(self.tables, self.state))

    @property
    def backups(self) -> tuple[tuple[int, int], ...]:
        """Drop-backups so far: the access at the dead end, the alias class forced to slow memory."""
        count = int(self.state.head[rules.BACKUPS])
        return tuple((int(at), int(group)) for at, group in self.state.log[:count])

    def step(self, move: int) -> float:
        """Decide the access; the reward in seconds.

        Raises:
            InputError: the move is not legal.
        """
        if self.done or not (0 <= move < len(MOVES) and self.state.legal[move]):
            raise InputError(
                f"move {move} at access {self.pointer}",
                where=self.problem.name,
                accepted=", ".join(MOVES[m] for m in np.flatnonzero(self.state.legal)) or "none: it is over",
            )
        return float(rules.step(self.tables, self.state, move))

    def save(self) -> State:
        """A copy of the state."""
        return copied(self.state)

    def load(self, saved: State) -> None:
        """Go back to a saved state."""
        for name in STORED:
            getattr(self.state, name)[...] = getattr(saved, name)

    def clone(self) -> Game:
        """Another game that stands where this one does; the tables are shared."""
        other = object.__new__(Game)
        other.__dict__.update(self.__dict__)
        other.state = self.save()
        return other

    def moves(self) -> tuple[int, ...]:
        """The moves that lead here, drop-backups resolved."""
        return tuple(int(move) for move in self.state.moves[: self.pointer])

    def play(self, moves: Sequence[int]) -> None:
        """Replay moves from the start; forced classes stay forced."""
        rules.begin(self.tables, self.state)
        rules.settle(self.tables, self.state)
        for move in moves:
            self.step(move)

    def memory_map(self) -> MemoryMap:
        """The finished game as a plan.

        Raises:
            InputError: the game is not over.
        """
        if not self.done:
            raise InputError("the game is not over", where=self.problem.name)
        return _Recorder(self).map()


class _Recorder:
    """Plays a finished game again and writes down rectangles and copies."""

    def __init__(self, game: Game) -> None:
        self.game = game.clone()
        self.rectangles: list[Rectangle] = []
        self.copies: list[Copy] = []
        self.current: dict[int, int] = {}

    def map(self) -> MemoryMap:
        game, moves = self.game, self.game.moves()
        game.play(())
        for move in moves:
            before = game.state.charged_s.copy()
            at, stall = game.pointer, float(game.state.o_stall_s[rules.COPY])
            ready = int(game.state.o_ready[rules.COPY])
            game.step(move)
            self._note(at, move, before, stall, ready)
        facts = {
            "variant": game.variant,
            "moves": "".join(MOVES[m][0] for m in moves),
            "backups": game.backups,
        }
        fast = tuple(move != rules.DROP for move in moves)
        return MemoryMap(fast, tuple(self.rectangles), tuple(self.copies), game.latency_s, facts)

    def _note(self, at: int, move: int, before: np.ndarray, stall: float, ready: int) -> None:
        state, access = self.game.state, self.game.problem.accesses[at]
        x = access.tensor
        if move == rules.DROP:
            return
        span = (x, int(state.cur_offset[x]), int(state.cur_first[x]), int(state.cur_last[x]))
        if move == rules.KEEP and not access.output:
            self.rectangles[self.current[x]] = Rectangle(*span)
            return
        self.current[x] = len(self.rectangles)
        self.rectangles.append(Rectangle(*span))
        if move == rules.COPY:
            used = state.charged_s - before
            charges = tuple((int(k), float(used[k])) for k in np.flatnonzero(used))
            self.copies.append(Copy(self.current[x], access.output, ready, charges, stall))
