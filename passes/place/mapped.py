"""The pass's other half: entries mapped to the fast tier of a target, as ``tier`` operations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ...ir.build import attributes
from ...ir.entries import NAME, arguments, text_attribute
from ...ir.mlir import func, ir
from ...ir.steps import functions, is_entry
from ...ir.targets import Target
from ...ir.tier_moves import Room, verify_moves
from .arena import SOLVER, unplace
from .compiled import Program, read_program
from .emit import Emitter
from .inline import inline_layers
from .pins import matching
from .players import Budget, Progress, solve
from .profiles import of_target, tiers_of
from .solved import MappedProgram


def map_entries(
    module: ir.Module,
    target: Target,
    solver: str,
    budget: Budget,
    pin: str = "",
    progress: Progress | None = None,
) -> dict[str, MappedProgram]:
    """Inline every entry's layers, let a player map its tensors, and write the map into the module.

    ``pin`` names tensors to hold in the fast tier (`pins.matching`); ``progress`` is told what is being done.

    Raises:
        TargetError: the target has no fast tier.
        InputError: no such player, or no tensor of a pinned name.
        Infeasible: pinned tensors do not fit together.
        PlanError: slow memory is too small, or a verifier refuses the map.
    """
    fast, slow = tiers_of(target)
    machine = of_target(target)
    found = {}
    with module.context, ir.Location.unknown():
        for name, function, program in flat_programs(module, target):
            pinned = matching(program.problem, pin)
            allowed = replace(budget, pinned=pinned)
            result = solve(program.problem, machine, solver, allowed, named(progress, name))
            Emitter(function, program, result.found.plan, (fast, slow)).emit()
            function.attributes[SOLVER] = attributes({SOLVER: solver})[SOLVER]
            found[name] = MappedProgram(program.problem, machine, result)
    rooms = {tier.name: Room(tier.capacity_bytes, tier.alignment_bytes) for tier in (fast, slow)}
    verify_moves(module, rooms, slow.name)
    return found


def named(progress: Progress | None, name: str) -> Progress | None:
    """Progress on one of several entries."""
    if progress is None:
        return None
    return lambda label, done, total: progress(f"place {name}, {label}", done, total)


def flat_programs(module: ir.Module, target: Target) -> Iterator[tuple[str, func.FuncOp, Program]]:
    """Every entry with its layers inlined, without the places it had: its name, itself and its program.

    Raises:
        PassError: the module is not fused, or a function calls itself.
    """
    for function in functions(module).values():
        unplace(function)
    inline_layers(module)
    for name, function in functions(module).items():
        if is_entry(function):
            yield name, function, _named_program(module, target, name, function)


def _named_program(module: ir.Module, target: Target, name: str, function: func.FuncOp) -> Program:
    """An entry's program with arguments called as the model calls them, where that is unique.

    Raises:
        PassError: the module is not fused.
    """
    program = read_program(module, target, name, name)
    names = {
        value: text_attribute(table, NAME, "")
        for value, table in zip(function.arguments, arguments(function), strict=True)
    }
    given = [names.get(value, "") for value in program.values]
    taken = {tensor.name for tensor in program.problem.tensors}
    tensors = tuple(
        replace(tensor, name=name) if name and name not in taken and given.count(name) == 1 else tensor
        for tensor, name in zip(program.problem.tensors, given, strict=True)
    )
    return replace(program, problem=replace(program.problem, tensors=tensors))
