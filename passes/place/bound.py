"""A lower bound on the latency of any mapping.

Instructions take at least their time with every access served from fast memory, except those of tensors that
can never lie there. And slow memory moves at least the compulsory bytes, at its bandwidth: of every param
that is read, the lesser of a whole copy and its reads served slow; of every result that is written, the same;
and all traffic of tensors that cannot lie in fast memory.
"""

from __future__ import annotations

from collections import defaultdict

from .problem import Machine, Problem


def lower_bound_s(problem: Problem, machine: Machine) -> float:
    """Seconds that no mapping goes below."""
    movable = _movable(problem, machine)
    shortest = 0.0
    moved: dict[int, list[int]] = defaultdict(list)
    compulsory = 0
    for instruction in problem.instructions:
        slow = fast = 0
        for tensor, count in (*instruction.inputs, *instruction.outputs):
            if movable[tensor]:
                fast += count
                moved[tensor].append(count)
            else:
                slow += count
        compulsory += slow
        seconds = slow / machine.slow_bytes_per_s + fast / machine.fast_bytes_per_s
        shortest += max(instruction.compute_s, seconds)
    for tensor, counts in moved.items():
        if problem.tensors[tensor].kind == "param":
            compulsory += min(problem.tensors[tensor].size, sum(counts))
        elif problem.tensors[tensor].kind == "result":  # its definition comes first
            compulsory += min(problem.tensors[tensor].size, counts[0])
    return max(shortest, compulsory / machine.slow_bytes_per_s)


def _movable(problem: Problem, machine: Machine) -> list[bool]:
    """Which tensors can lie in fast memory at all, with their classes."""
    barred = {
        group
        for group, tensor in zip(problem.alias_class, problem.tensors, strict=True)
        if not tensor.fast or tensor.size > machine.capacity
    }
    return [group not in barred for group in problem.alias_class]
