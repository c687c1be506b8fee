"""Random small programs to map: params, results, alias classes, barred tensors, tiny memories."""

from __future__ import annotations

from random import Random

from penstock.passes.place.problem import Instruction, Machine, Problem, Tensor


def program(rng: Random, aliases: bool = True) -> Problem:
    tensors = [Tensor(f"p{at}", rng.randint(1, 60), "param", None, rng.random() > 0.1) for at in range(4)]
    known, instructions = list(range(4)), []
    for step in range(rng.randint(1, 14)):
        chosen = rng.sample(known, min(len(known), rng.randint(0, 3)))
        reads = tuple((x, rng.randint(0, 2 * tensors[x].size)) for x in chosen)
        made = []
        for _ in range(rng.randint(0, 2)):
            alias = rng.choice([None, None, None, "a", "b"]) if aliases else None
            kind = rng.choice(["temp", "temp", "result"])
            made.append(len(tensors))
            tensors.append(Tensor(f"t{len(tensors)}", rng.randint(1, 60), kind, alias, rng.random() > 0.05))
        writes = tuple((x, tensors[x].size) for x in made)
        instructions.append(Instruction(f"i{step}", rng.choice([0.0, rng.random() * 60]), reads, writes))
        known += made
    return Problem("random", tuple(instructions), tuple(tensors))


def machine(rng: Random) -> Machine:
    return Machine(rng.randint(1, 160), rng.choice([1, 1, 4, 16]), 1.0, rng.choice([1.0, 4.0, 10.0]))
