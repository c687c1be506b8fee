"""What one training run is: everything its result depends on, but for the problem."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ....ir.errors import InputError


@dataclass(frozen=True)
class Config:
    """Settings of a run.

    Attributes:
        seed: of everything random.
        iterations: rounds of self-play and learning.
        jobs: pieces a round's self-play is cut into, each for one process at a time; the result depends on
            how many pieces, never on how many processes.
        lanes: games a piece plays side by side.
        simulations: of a search; 0 plays the network's policy without one.
        searched: share of the decisions that are searched; the others follow the policy, as in KataGo's
            playout cap randomisation.
        coolest: lanes play at temperatures from 1 down to this, the first lane at 0.
        scale: unit of q in the search, in spreads of the value.
        warm: whether to start from a clone of priority insertion.
        dynamics: ``true`` searches in the simulator, ``learned`` in a model of it.
        steps, batch, rate: of the optimiser, per round.
        memory: rounds the replay holds.
        elite: best episodes so far, imitated besides.
        imitation: weight of that.
        doubt: share of an imitated move's probability that is spread over the legal ones.
        cloning_steps: of the warm start.
        variant: of the game.
    """

    seed: int = 0
    iterations: int = 10
    jobs: int = 1
    lanes: int = 64
    simulations: int = 16
    searched: float = 0.25
    coolest: float = 0.25
    scale: float = 0.5
    warm: bool = True
    dynamics: str = "true"
    steps: int = 80
    batch: int = 256
    rate: float = 2e-3
    memory: int = 8
    elite: int = 16
    imitation: float = 1.0
    doubt: float = 0.1
    cloning_steps: int = 200
    variant: str = "reserve"

    def __post_init__(self) -> None:
        least = {"iterations": 0, "jobs": 1, "lanes": 1, "simulations": 0, "steps": 0, "batch": 1}
        least |= {"memory": 1, "elite": 1, "cloning_steps": 0, "seed": 0}
        for name, value in least.items():
            if getattr(self, name) < value:
                raise InputError(f"{name} {getattr(self, name)}", where="agent", accepted=f"{value} or more")
        if self.dynamics not in ("true", "learned"):
            raise InputError(f"dynamics {self.dynamics!r}", where="agent", accepted="true, learned")
        if not 0 <= self.searched <= 1 or not self.scale > 0 or not 0 <= self.coolest <= 1:
            raise InputError(
                f"searched {self.searched}, scale {self.scale}, coolest {self.coolest}",
                where="agent",
                accepted="shares from 0 to 1, a scale above 0",
            )

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)
