"""The cascade dialect: what is computed, as extended Einsums (FuseMax §II; EDGE).

- ``cascade.einsum`` — one Einsum in its notation, over tensor operands in the order of its accesses.
- ``cascade.iterate`` — a generational rank: initial values, a body of Einsums, a stopping condition.
- ``cascade.fused`` — a group of Einsums executed as one kernel, with what analysis found about it.
- ``cascade.yield`` — ends the regions of the two.

IRDL binds every element of a variadic operand list to one type, so these ops, whose operands differ in
shape, cannot be declared there; they are plain generic ops that `verify` holds to the rules below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from .einsum import Einsum, check_form, solve_extents
from .errors import InputError, NotationError
from .mlir import ir

EINSUM = "cascade.einsum"
ITERATE = "cascade.iterate"
FUSED = "cascade.fused"
YIELD = "cascade.yield"

_STRING, _INTEGER, _STRINGS = ir.StringAttr, ir.IntegerAttr, ir.ArrayAttr

ATTRIBUTES: dict[str, dict[str, type[ir.Attribute]]] = {
    # expr: the notation.
    EINSUM: {"expr": _STRING},
    # rank: generational rank, a fixed coordinate inside the body; generations: times the body runs.
    # split: the rank taken apart as rank*tile + tile_rank, empty when the body does not tile; the last
    # generation visits only the extent - rank*tile coordinates left. until: stopping condition.
    ITERATE: {
        "rank": _STRING,
        "generations": _INTEGER,
        "split": _STRING,
        "extent": _INTEGER,
        "tile_rank": _STRING,
        "tile": _INTEGER,
        "until": _STRING,
    },
    # passes over rank `over`, as raised and as rewritten (FuseMax §III-A); rank_order: the first `parallel`
    # ranks are the kernel's outer loops, the rest inner; tiles: "rank=extent" (a parallel rank listed here
    # is blocked); footprints: live per outer point, algebraic in rank shapes. Within the body one rank
    # name means one rank.
    FUSED: {
        "kernel": _STRING,
        "passes_before": _INTEGER,
        "passes_after": _INTEGER,
        "over": _STRING,
        "rank_order": _STRINGS,
        "parallel": _INTEGER,
        "tiles": _STRINGS,
        "footprint_before": _STRING,
        "footprint_after": _STRING,
        "rewrites": _STRINGS,
        "derivation": _STRINGS,
    },
    YIELD: {},
}

_DIALECTS = frozenset(
    [
        "builtin",
        "func",
        "arith",
        "math",
        "tensor",
        "linalg",
        "scf",
        "cf",
        "affine",
        "memref",
        "vector",
        "index",
        "bufferization",
        "cascade",
        "tier",
        "complex",
    ]
)


def shape_of(value: ir.Value) -> tuple[int, ...]:
    """Static shape of a ranked tensor value.

    Raises:
        NotationError: the value is no ranked tensor with static shape.
    """
    if not isinstance(value.type, ir.RankedTensorType):
        raise NotationError(f"a ranked tensor is needed, not {value.type}")
    shape = ir.RankedTensorType(value.type)
    if not shape.has_static_shape:
        raise NotationError(f"a static shape is needed, not {value.type}")
    return tuple(shape.shape)


def generations_around(op: ir.OpView | ir.Operation) -> dict[str, int]:
    """Extents of the generational ranks of the iterations that enclose an op."""
    extents: dict[str, int] = {}
    parent = op.operation.parent
    while parent is not None:
        if parent.name == ITERATE:
            extents[ir.StringAttr(parent.attributes["rank"]).value] = ir.IntegerAttr(
                parent.attributes["generations"]
            ).value
        parent = parent.operation.parent
    return extents


def walk(op: ir.OpView | ir.Operation) -> Iterator[ir.Operation]:
    """Every operation nested in `op`, parents first, in program order."""
    for region in op.operation.regions:
        for block in region.blocks:
            for inner in block.operations:
                yield inner.operation
                yield from walk(inner)


def verify(module: ir.Module) -> None:
    """Hold a module to the rules of the cascade dialect.

    Raises:
        InputError: the first broken rule, with the op and its line.
    """
    for op in walk(module.operation):
        dialect = op.name.partition(".")[0]
        if dialect not in _DIALECTS:
            raise InputError(
                f"unknown dialect '{dialect}'", where=_place(op), accepted=", ".join(sorted(_DIALECTS))
            )
        if dialect == "cascade":
            try:
                _check(op)
            except NotationError as error:
                raise InputError(str(error), where=_place(op)) from error


def _place(op: ir.Operation) -> str:
    return f"{op.name} at {str(op.location).removeprefix('loc(').removesuffix(')')}"


def _check(op: ir.Operation) -> None:
    wanted = ATTRIBUTES.get(op.name)
    if wanted is None:
        raise NotationError("no such op", accepted=", ".join(ATTRIBUTES))
    for name, kind in wanted.items():
        if name not in op.attributes or not isinstance(op.attributes[name], kind):
            raise NotationError(f"attribute '{name}' is missing or not a {kind.__name__}")
    check: Callable[[ir.Operation], None] = _CHECKS[op.name]
    check(op)


def _check_einsum(op: ir.Operation) -> None:
    einsum = Einsum.parse(ir.StringAttr(op.attributes["expr"]).value)
    check_form(einsum)
    if len(einsum.accesses) != len(op.operands):
        raise NotationError(
            f"{len(einsum.accesses)} tensors written, {len(op.operands)} operands given", where=str(einsum)
        )
    outputs = einsum.output.plain
    if None in outputs or len(set(outputs)) != len(outputs):
        raise NotationError("the output's indices must be distinct plain ranks", where=str(einsum))
    shapes = [shape_of(value) for value in op.operands]
    solve_extents(einsum, shapes, shape_of(op.results[0]), generations_around(op))


def _check_iterate(op: ir.Operation) -> None:
    _check_iterate_attributes(op)
    _check_iterate_body(op)


def _check_iterate_attributes(op: ir.Operation) -> None:
    values = {name: ir.IntegerAttr(op.attributes[name]).value for name in ("generations", "extent", "tile")}
    if values["generations"] < 1:
        raise NotationError("at least one generation is needed")
    if not ir.StringAttr(op.attributes["until"]).value:
        raise NotationError("an iterative cascade needs a stopping condition")
    if ir.StringAttr(op.attributes["split"]).value:
        covered = -(-values["extent"] // max(values["tile"], 1))
        if values["tile"] < 1 or covered != values["generations"]:
            raise NotationError(
                f"{values['generations']} generations of {values['tile']} do not cover {values['extent']}"
            )


def _types(values: Sequence[ir.Value]) -> list[str]:
    return [str(value.type) for value in values]


def _check_same(what: str, left: list[str], right: list[str]) -> None:
    if left != right:
        raise NotationError(f"{what} differ: {', '.join(left)} and {', '.join(right)}")


def _terminator(op: ir.Operation) -> ir.Operation:
    blocks = list(op.regions[0].blocks)
    if len(blocks) != 1:
        raise NotationError(f"the body has {len(blocks)} blocks, not one")
    operations = list(blocks[0].operations)
    if not operations or operations[-1].operation.name != YIELD:
        raise NotationError("the body must end with cascade.yield")
    return operations[-1].operation


def _check_iterate_body(op: ir.Operation) -> None:
    end = _terminator(op)
    carried = _types(list(op.regions[0].blocks[0].arguments))
    _check_same("initial values and block arguments", _types(list(op.operands)), carried)
    _check_same("block arguments and yielded values", carried, _types(list(end.operands)))
    _check_same("yielded values and results", _types(list(end.operands)), _types(list(op.results)))


def _check_fused(op: ir.Operation) -> None:
    end = _terminator(op)
    block = op.regions[0].blocks[0]
    _check_same("inputs and block arguments", _types(list(op.operands)), _types(list(block.arguments)))
    _check_same("yielded values and outputs", _types(list(end.operands)), _types(list(op.results)))
    _check_isolated(op, op)


def _check_isolated(op: ir.Operation, group: ir.Operation) -> None:
    for inner in walk(op):
        for operand in inner.operands:
            holder = operand.owner
            parent = holder.owner.operation if isinstance(holder, ir.Block) else holder.operation
            while parent is not None and parent != group:
                parent = parent.parent.operation if parent.parent is not None else None
            if parent is None:
                raise NotationError(f"'{inner.name}' reads a value from outside the group")


_CHECKS: dict[str, Callable[[ir.Operation], None]] = {
    EINSUM: _check_einsum,
    ITERATE: _check_iterate,
    FUSED: _check_fused,
    YIELD: lambda op: None,
}
