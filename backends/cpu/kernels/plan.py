"""What is decided before a kernel is written: contractions and their vector side, tiles, layouts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import frexp, prod

from ....ir.einsum import Access, Einsum, Index, Literal
from ..isa import Isa
from .contraction import Contraction, fits_panel
from .group import Group, Iteration, Step, Tensor, copy_step
from .kernel import Pack
from .lanes import BITS, FLOATS, arithmetic
from .layout import choose_orders, contiguous, leaves
from .register_blocks import packed_block, register_block
from .tiles import choose_tiles


@dataclass(frozen=True)
class Plan:
    """Tile of every outer rank, contractions by their Einsum, packed parameters by input."""

    tiles: dict[str, int]
    extents: dict[str, int]
    contractions: dict[Step, Contraction]
    packs: dict[int, Pack]


@dataclass(frozen=True)
class Option:
    """One way to contract an Einsum.

    Attributes:
        contraction: vector side and ranks.
        panel: the vector side is copied into a panel first.
        hoisted: the panel is the same in every generation of the iteration around the Einsum.
        detour: the result goes to scratch and is copied to the output.
        pack: the vector side is a parameter packed beforehand.
        cycles: estimate.
        factor: what the panel is multiplied by, in place of the product.
        turned: in the rows side rows, not pairs, lie side by side: it is copied into a panel too.
    """

    contraction: Contraction
    panel: bool
    hoisted: bool
    detour: bool
    pack: bool
    cycles: float
    factor: Literal | None = None
    turned: bool = False


_ROWS_IN_TILE = 64  # rows a panel is expected to serve
_PANEL, _DETOUR, _SCALAR = 1.2, 0.8, 3.0  # cycles an element


def plan_group(group: Group, isa: Isa) -> Plan:
    """Decide; panels, copies and layouts are put into the group itself."""
    extents = {rank: n for step in group.steps() for rank, n in step.extents.items()}
    chosen: dict[Step, Option] = {}
    for node in group.nodes:
        for step in [node] if isinstance(node, Step) else list(node.body):
            option = _best(step, node if isinstance(node, Iteration) else None, group, isa)
            if option is not None:
                if isinstance(node, Iteration) and option.panel and option.hoisted:
                    option = replace(option, factor=_take_factor(step, node))
                chosen[step] = option
                _prefer(step, option)
    contractions = {step: option.contraction for step, option in chosen.items()}
    panels = {step for step, option in chosen.items() if option.panel}
    tiles = choose_tiles(group, extents, contractions, panels, isa)
    packs: dict[int, Pack] = {}
    for step, option in chosen.items():
        _settle(step, option, tiles, isa, packs)
        if option.panel:
            _insert_panel(group, step, option)
        if option.turned and option.contraction.pairs:
            _insert_rows_panel(group, step, option)
        if option.detour or _contended(step, option.contraction, group, tiles, isa):
            _insert_detour(group, step, option.contraction)
    choose_orders(group)
    return Plan(tiles, extents, contractions, packs)


def _best(step: Step, around: Iteration | None, group: Group, isa: Isa) -> Option | None:
    """The cheapest way to contract the Einsum, None when a plain nest is cheaper or it is no contraction."""
    einsum = step.einsum
    if einsum.map != "mul" or einsum.reduce != "sum" or len(step.inputs) != 2:
        return None
    read = {tensor.element for tensor in step.inputs}
    if step.output.element not in FLOATS or len(read) > 1 or arithmetic(read.pop()) != step.output.element:
        return None
    inside = set(einsum.ranks)
    own = [{rank for rank in access.ranks if rank in inside} for access in einsum.accesses]
    if not set(einsum.reduced) <= own[0] & own[1] or not set(einsum.output.ranks) <= own[0] | own[1]:
        return None
    options = [_option(step, side, own, around, group, isa) for side in (0, 1)]
    best = min((o for o in options if o is not None), key=lambda o: o.cycles, default=None)
    return best if best is not None and best.cycles < _nest_cycles(step, isa) else None


def _nest_cycles(step: Step, isa: Isa) -> float:
    """Estimate for a plain nest: a folded rank along the vectors, or lanes that reload the output's side."""
    points = prod(step.extents[rank] for rank in step.einsum.ranks)
    lanes = isa.lanes(BITS[step.output.element])
    both = [
        rank
        for rank in step.einsum.ranks
        if all(rank not in a.ranks or (a.index and a.index[-1].plain == rank) for a in step.einsum.accesses)
        and any(rank in a.ranks for a in step.einsum.accesses)
    ]
    outputs = prod(step.output.shape)
    if any(rank in step.einsum.reduced and step.extents[rank] >= lanes for rank in both):
        return points / lanes + outputs * 6.0
    return points / lanes * 2.0 if both else points * _SCALAR


def _option(
    step: Step, side: int, own: Sequence[set[str]], around: Iteration | None, group: Group, isa: Isa
) -> Option | None:
    einsum = step.einsum
    lanes = tuple(rank for rank in einsum.output.ranks if rank in own[side] - own[1 - side])
    rows = tuple(rank for rank in einsum.output.ranks if rank in own[1 - side] - own[side])
    batch = tuple(rank for rank in einsum.output.ranks if rank in own[0] & own[1])
    wide, high, deep = (prod(step.extents[rank] for rank in ranks) for ranks in (lanes, rows, einsum.reduced))
    other, access, tensor = einsum.accesses[1 - side], einsum.accesses[side], step.inputs[side]
    if wide < 4 or deep < 2 or leaves(other, step.inputs[1 - side], step, around):
        return None
    outside = leaves(access, tensor, step, around)
    pack = (
        tensor.param and tensor.reads == 1 and not outside and set(access.ranks) <= {*lanes, *einsum.reduced}
    )
    pairs = isa.bf16 and tensor.element == "bf16" and not outside and _pairable(step)
    panel = not pack and (pairs or outside or not _direct(access, tensor, lanes))
    detour = step.output.argument is not None and not contiguous(einsum.output, step.output, lanes)
    count = isa.lanes(BITS[step.output.element])
    times = prod(step.extents[rank] for rank in batch)
    cycles = times * high * deep * -(-wide // count) * (0.5 if high > 2 else 1.0)
    hoisted = around is not None and _constant(step, side, around)
    if panel:
        again = 1.0 / around.generations if around is not None and hoisted else 1.0
        cycles += _PANEL * times * deep * wide * max(1.0, high / _ROWS_IN_TILE) * again
    if detour:
        cycles += _DETOUR * times * high * wide
    made = Contraction(step, side, lanes, rows, tuple(einsum.reduced), batch, pairs=pairs)
    turned = pairs and _turned(other, step.inputs[1 - side], rows)
    return Option(made, panel, hoisted, detour, pack, cycles, turned=turned)


def _take_factor(step: Step, around: Iteration) -> Literal | None:
    """A constant that the product is only multiplied by, taken out of the iteration's body.

    In bf16 only a power of two, which rounds nothing.
    """
    product = step.output
    readers = [other for other in around.body if product in other.inputs]
    if len(readers) != 1 or product.reads != 1 or product.element != "f32":
        return None
    (scaling,) = readers
    einsum = scaling.einsum
    factor = next((o for o in einsum.operands if isinstance(o, Literal)), None)
    if einsum.map != "mul" or einsum.reduce or factor is None or len(scaling.inputs) != 1:
        return None
    alike = einsum.accesses[0].index == einsum.output.index == step.einsum.output.index
    exact = abs(frexp(factor.value)[0]) == 0.5
    written = sum(other.output is scaling.output for other in around.body)
    if not alike or written > 1 or not (exact or step.inputs[0].element == "f32"):
        return None
    around.body.remove(scaling)
    step.output = scaling.output
    step.einsum = step.einsum.with_tensors(scaling.output.name, [a.tensor for a in step.einsum.accesses])
    return factor


def _pairable(step: Step) -> bool:
    """Whether neighbours of the depth stay neighbours when it is flattened and cut in pairs."""
    depth = step.einsum.reduced
    return len(depth) == 1 or step.extents[depth[-1]] % 2 == 0


def _turned(access: Access, tensor: Tensor, rows: Sequence[str]) -> bool:
    """Whether rows, and not points of the depth, are neighbours."""
    inner = (tensor.order or range(len(tensor.shape)))[-1:]
    return any(access.index[axis].plain in rows for axis in inner)


def _direct(access: Access, tensor: Tensor, lanes: Sequence[str]) -> bool:
    """Whether the lanes can be read as vectors where the tensor is: in scratch the layout follows."""
    if tensor.argument is not None:
        return contiguous(access, tensor, lanes)
    axes = [axis for axis, index in enumerate(access.index) if set(index.ranks) & set(lanes)]
    if tuple(access.index[axis].plain for axis in axes) != tuple(lanes):
        return False
    return tensor.order is None or tensor.order[-len(axes) :] == tuple(axes)


def _constant(step: Step, side: int, around: Iteration) -> bool:
    """Whether the vector side is the same in every generation."""
    ranks = {*step.einsum.accesses[side].ranks, *step.einsum.reduced}
    made = {inner.output for inner in around.body}
    return not ranks & {around.rank, around.tile_rank} and step.inputs[side] not in made


def _prefer(step: Step, option: Option) -> None:
    """Lay scratch tensors with the lanes innermost."""
    lanes, side = option.contraction.lanes, option.contraction.side
    if step.output.argument is None:
        _order(step.output, step.einsum.output, lanes)
    if step.inputs[side].argument is None and not option.panel:
        _order(step.inputs[side], step.einsum.accesses[side], lanes)


def _order(tensor: Tensor, access: Access, lanes: Sequence[str]) -> None:
    if tensor.order is None:
        last = [access.plain.index(rank) for rank in lanes]
        tensor.order = (*(axis for axis in range(len(tensor.shape)) if axis not in last), *last)
        tensor.lanes = len(last)


def _settle(step: Step, option: Option, tiles: Mapping[str, int], isa: Isa, packs: dict[int, Pack]) -> None:
    """Register block, and the packed layout that fits it and the tiles."""
    contraction = option.contraction
    count = isa.lanes(BITS[step.output.element])
    local = {rank: tiles.get(rank, extent) for rank, extent in step.extents.items()}
    width = prod(local[rank] for rank in contraction.lanes)
    rows = prod(local[rank] for rank in contraction.rows)
    contraction.pairs = contraction.pairs and local[contraction.lanes[-1]] > 1
    choose = packed_block if option.pack else register_block
    contraction.block = choose(rows, -(-width // count), isa.registers, isa.blocking.vectors)
    place = step.inputs[contraction.side].argument
    if not option.pack or place is None:
        return
    lanes = tuple((rank, step.extents[rank]) for rank in contraction.lanes)
    depth = tuple((rank, step.extents[rank]) for rank in contraction.depth)
    cuts = tuple(local[rank] for rank in contraction.lanes)
    block = contraction.block.vectors * count
    access = str(step.einsum.accesses[contraction.side])
    contraction.pack = Pack(access, lanes, cuts, depth, block, contraction.pairs)
    packs[place] = contraction.pack


def _contended(
    step: Step, contraction: Contraction, group: Group, tiles: Mapping[str, int], isa: Isa
) -> bool:
    """Whether threads would disturb each other in the output.

    Tiles may write the same points: where the last one is moved back, or where the output lacks an outer
    rank. Equal results do no harm, but a sum made in several stretches of the depth is read back.
    """
    output = step.output
    if output.argument is None or fits_panel(contraction, step.extents, isa):
        return False
    whole = {rank for rank in group.parallel if step.extents.get(rank, 0) % tiles[rank] == 0}
    return not set(group.parallel) <= whole & set(output.ranks)


def _insert_panel(group: Group, step: Step, option: Option) -> None:
    """Copy the vector side into a panel: before the iteration when no generation changes it."""
    contraction = option.contraction
    _insert_copy(group, step, contraction, contraction.side, option.hoisted, option.factor)


def _insert_rows_panel(group: Group, step: Step, option: Option) -> None:
    """Copy the rows side into a panel of pairs, likewise."""
    contraction = option.contraction
    around, _ = _where(group, step)
    hoisted = isinstance(around, Iteration) and _constant(step, 1 - contraction.side, around)
    _insert_copy(group, step, contraction, 1 - contraction.side, hoisted, None)


def _insert_copy(
    group: Group, step: Step, contraction: Contraction, side: int, hoisted: bool, factor: Literal | None
) -> None:
    """Copy a side into a panel ``[batch, depth, its own ranks]``, times the factor."""
    tensor, own = step.inputs[side], contraction.lanes if side == contraction.side else contraction.rows
    ranks = (*contraction.batch, *contraction.depth, *own)
    shape = tuple(step.extents[rank] for rank in ranks)
    panel = Tensor(f"{tensor.name}_panel", shape, tensor.element, ranks=ranks, lanes=len(own))
    taken = {other.name for other in group.tensors}
    while panel.name in taken:
        panel.name += "_"
    panel.order, panel.reads, panel.pairs = tuple(range(len(ranks))), 1, contraction.pairs
    group.tensors.append(panel)
    target = Access(panel.name, tuple(Index.of(rank) for rank in ranks))
    holder, place = _where(group, step)
    around = holder if isinstance(holder, Iteration) and not hoisted else None
    body = around.body if around else group.nodes
    source, extents = step.einsum.accesses[side], dict(step.extents)
    rounding = _rounding(step, side, body, around) if contraction.pairs else None
    if rounding is not None:
        body.remove(rounding)
        (tensor,), (source,) = rounding.inputs, rounding.einsum.accesses
        extents |= rounding.extents
        holder, place = _where(group, step)
    einsum = Einsum(target, "mul", (source, factor)) if factor else Einsum(target, "id", (source,))
    copy = Step(einsum, panel, (tensor,), extents)
    operands = list(step.einsum.operands)
    operands[side] = target
    step.einsum = replace(step.einsum, operands=tuple(operands))
    step.inputs = tuple(panel if k == side else other for k, other in enumerate(step.inputs))
    if around:
        around.body.insert(place, copy)
    else:
        group.nodes.insert(group.nodes.index(holder), copy)


def _rounding(
    step: Step, side: int, body: Sequence[Step | Iteration], around: Iteration | None
) -> Step | None:
    """The Einsum that does nothing but round that side for this one, so that a panel may do it on the way."""
    tensor = step.inputs[side]
    maker = next((node for node in body if isinstance(node, Step) and node.output is tensor), None)
    if maker is None or tensor.reads != 1 or maker.einsum.map not in ("id", "to_float"):
        return None
    alike = maker.einsum.output.index == step.einsum.accesses[side].index
    plain = maker.einsum.reduce is None and [source.element for source in maker.inputs] == ["f32"]
    inside = plain and not leaves(maker.einsum.accesses[0], maker.inputs[0], maker, around)
    return maker if alike and inside else None


def _where(group: Group, step: Step) -> tuple[Step | Iteration, int]:
    """The node that is or holds an Einsum, and the Einsum's place in its list."""
    for place, node in enumerate(group.nodes):
        if node is step:
            return node, place
        if isinstance(node, Iteration) and step in node.body:
            return node, node.body.index(step)
    raise ValueError(f"{step.text} is not part of the group")


def _insert_detour(group: Group, step: Step, contraction: Contraction) -> None:
    """Contract into scratch with the lanes innermost, then copy to the output."""
    output = step.output
    middle = Tensor(f"{output.name}_tile", output.shape, output.element, ranks=output.ranks, reads=1)
    group.tensors.append(middle)
    step.output = middle
    _order(middle, step.einsum.output, contraction.lanes)
    copy = copy_step(middle, output, output.ranks)
    holder, place = _where(group, step)
    if isinstance(holder, Iteration):
        holder.body.insert(place + 1, copy)
    else:
        group.nodes.insert(place + 1, copy)
