"""A fused cascade in one-pass form read for the tensor cores: two contractions with a softmax between them.

What is looked for is the algebra alone (FuseMax, Cascade 5): a contraction whose result is mapped point by
point to scores, a running maximum of the scores over the streamed rank, exponentials of their distances to
it, a running sum of those and a running contraction with them, both corrected when the maximum moves, and a
division behind the loop. The map from contraction to score is any chain of elementwise Einsums; so are
masks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from ....ir.einsum import Access, Coord, Einsum, Index, Literal
from ....ir.errors import PassError
from ...cpu.kernels.group import Group, Iteration, Step, Tensor
from ...cpu.kernels.masks import All, Any, Atom, Formula, ranks_of
from ...cpu.kernels.skipping import live_points


@dataclass(frozen=True)
class Read:
    """A tensor and where it is read, in ranks of the kernel."""

    tensor: Tensor
    access: Access


@dataclass(frozen=True)
class Streamed:
    """The parts of the cascade.

    Attributes:
        rows: ranks of a running value, outermost first; the last is blocked, the others are outer loops.
        key, depth, width: the streamed rank; the rank the first contraction sums; the columns of the second.
        extents: of all of them.
        query, keys, values: operands of the contractions, after conversion.
        casts: conversions of whole inputs that come first: from, to.
        chain: Einsums from the first contraction's result to the scores, in order, in the rank `key`.
        product: the first contraction's result.
        scores: what the maximum is taken of.
        factor: positive number that all scores carry, left out of the chain.
        formula: where scores can be anything but −∞.
        masked: the Einsum of the chain that the formula was read off.
        absent: whether a row without any score gives 0; else NaN.
        output: result, at its ranks.
        texts: every Einsum, in notation.
    """

    rows: tuple[str, ...]
    key: str
    depth: str
    width: str
    extents: Mapping[str, int]
    query: Read
    keys: Read
    values: Read
    casts: tuple[tuple[Tensor, Tensor], ...]
    chain: tuple[Step, ...]
    product: Tensor
    scores: Tensor
    factor: float
    formula: Formula
    masked: Step | None
    absent: bool
    output: Read
    texts: tuple[str, ...]

    @property
    def outer(self) -> tuple[str, ...]:
        """Ranks of the loops around everything."""
        return self.rows[:-1]

    @property
    def block(self) -> str:
        """The rank of queries."""
        return self.rows[-1]

    def extra(self) -> tuple[Tensor, ...]:
        """Arguments that only the chain reads, in order."""
        made = {step.output for step in self.chain} | {self.product}
        read = [tensor for step in self.chain for tensor in step.inputs if tensor not in made]
        return tuple(dict.fromkeys(read))


def read_streamed(group: Group) -> Streamed:
    """The parts of a group.

    Raises:
        PassError: it is of another form; the message names the Einsum that does not fit.
    """
    loops = [node for node in group.nodes if isinstance(node, Iteration)]
    if len(loops) != 1 or not loops[0].tile_rank:
        raise PassError("no single loop over tiles of a rank", where="streamed cascade")
    return _Reader(group, loops[0]).read()


class _Reader:
    """Takes the body's Einsums away one after another; what is left in the end does not fit."""

    def __init__(self, group: Group, loop: Iteration) -> None:
        self.group, self.loop = group, loop
        self.key = loop.tile_rank.rstrip("0123456789") or loop.tile_rank
        taken = {rank for step in group.steps() for rank in step.einsum.ranks} - {loop.tile_rank}
        while self.key in taken:
            self.key += "_"
        self.left = list(loop.body)

    def read(self) -> Streamed:
        casts = tuple(self._casts())
        largest = self._one("max", reduce=True)
        scores = largest.inputs[0]
        rows = largest.einsum.output.ranks
        moved = self._made("max", largest.output)
        running = next(tensor for tensor in moved.inputs if tensor is not largest.output)
        exponents = self._exponent(scores, moved.output)
        correction = self._exponent(running, moved.output)
        total = self._folded("id", exponents.output, correction.output)
        weights = next(
            (s for s in self.left if s.einsum.map == "to_float" and s.inputs == (exponents.output,)), None
        )
        if weights is not None:
            self.left.remove(weights)
        weight = weights.output if weights is not None else exponents.output
        numerator = self._folded("mul", weight, correction.output)
        self._drop_copies(moved.output, running)
        product, chain = self._chain(scores)
        second = self.second
        absent, output = self._division(numerator, total)
        if self.left:
            raise PassError("is no part of a streamed softmax", where=self.left[0].text)
        mapped = tuple(self._renamed(step) for step in chain)
        factor, mapped = _factored(mapped, product.output, scores)
        formula, masked = self._formula(mapped)
        query, keys = self._sides(product, rows)
        values = self._read(second, next(k for k, t in enumerate(second.inputs) if t is not weight))
        (depth,), (width,) = (
            product.einsum.reduced,
            tuple(r for r in values.access.ranks if r in output.access.ranks and r not in rows),
        )
        extents = {rank: n for step in self.group.steps() for rank, n in step.extents.items()}
        extents[self.key] = self.loop.extent
        texts = tuple(step.text for step in self.group.steps())
        return Streamed(
            rows, self.key, depth, width, extents, query, keys, values, casts, mapped, product.output, scores,
            factor, formula, masked, absent, output, texts,
        )  # fmt: skip

    def _casts(self) -> Iterable[tuple[Tensor, Tensor]]:
        """Inputs converted tile by tile: converted once instead, before the loop."""
        for step in list(self.left):
            source = step.inputs[0] if len(step.inputs) == 1 else None
            if (
                step.einsum.map == "to_float"
                and not step.einsum.reduce
                and source is not None
                and source.argument is not None
            ):
                whole = Tensor(step.output.name, source.shape, step.output.element)
                for other in self.left:
                    if step.output in other.inputs:
                        self._redirect(other, step, whole)
                self.left.remove(step)
                yield source, whole

    @staticmethod
    def _redirect(reader: Step, cast: Step, whole: Tensor) -> None:
        """Read the whole converted input where a converted tile was read."""
        operands, place = list(reader.einsum.operands), 0
        for number, operand in enumerate(operands):
            if not isinstance(operand, Access):
                continue
            if reader.inputs[place] is cast.output:
                ranks = cast.einsum.output.ranks
                source = cast.einsum.accesses[0].substitute(dict(zip(ranks, operand.index, strict=True)))
                operands[number] = Access(operand.tensor, source.index)
            place += 1
        reader.einsum = replace(reader.einsum, operands=tuple(operands))
        reader.inputs = tuple(whole if tensor is cast.output else tensor for tensor in reader.inputs)

    def _one(self, name: str, *, reduce: bool) -> Step:
        fits = [s for s in self.left if (s.einsum.reduce if reduce else s.einsum.map) == name]
        if len(fits) != 1 or fits[0].einsum.reduced != (self.loop.tile_rank,):
            raise PassError(
                f"{len(fits)} folds by {name} over {self.loop.tile_rank}, not one", where="streamed cascade"
            )
        self.left.remove(fits[0])
        return fits[0]

    def _made(self, name: str, *inputs: Tensor) -> Step:
        """The step of this operator that reads these tensors, in any order."""
        for step in self.left:
            if step.einsum.map == name and not step.einsum.reduce and all(t in step.inputs for t in inputs):
                self.left.remove(step)
                return step
        names = ", ".join(tensor.name for tensor in inputs)
        raise PassError(f"nothing computes {name} of {names}", where="streamed cascade")

    def _exponent(self, of: Tensor, distance_to: Tensor) -> Step:
        for name in ("exp_sub_left", "exp_sub"):
            for step in self.left:
                if step.einsum.map == name and step.inputs == (of, distance_to):
                    self.left.remove(step)
                    return step
        raise PassError(f"nothing computes exp({of.name} - {distance_to.name})", where="streamed cascade")

    def _folded(self, name: str, of: Tensor, correction: Tensor) -> Tensor:
        """The carried tensor that a fold of a tile is added to, after its correction."""
        folds = [s for s in self.left if s.einsum.map == name and s.einsum.reduce == "sum" and of in s.inputs]
        if len(folds) != 1:
            raise PassError(f"{len(folds)} sums of {of.name}, not one", where="streamed cascade")
        self.left.remove(folds[0])
        if name == "mul":
            self.second = folds[0]
        added = self._made("add", folds[0].output)
        other = next(tensor for tensor in added.inputs if tensor is not folds[0].output)
        corrected = self._made("mul", correction)
        if corrected.output is not other:
            raise PassError("is not corrected when the maximum moves", where=added.text)
        carried = next(tensor for tensor in corrected.inputs if tensor is not correction)
        self._drop_copies(added.output, carried)
        return carried

    def _drop_copies(self, source: Tensor, target: Tensor) -> None:
        self.left = [
            s
            for s in self.left
            if not (s.einsum.map == "id" and s.inputs == (source,) and s.output is target)
        ]

    def _chain(self, scores: Tensor) -> tuple[Step, list[Step]]:
        """The first contraction, and what lies between it and the scores."""
        products = [
            s for s in self.left if s.einsum.map == "mul" and s.einsum.reduce == "sum" and len(s.inputs) == 2
        ]
        if len(products) != 1 or len(products[0].einsum.reduced) != 1:
            raise PassError(
                f"{len(products)} contractions before the scores, not one", where="streamed cascade"
            )
        product = products[0]
        self.left.remove(product)
        wanted, chain = {scores}, []
        for step in reversed(self.left):
            if step.output in wanted:
                if step.einsum.reduce:
                    raise PassError("folds between the contraction and the scores", where=step.text)
                wanted |= set(step.inputs)
                chain.append(step)
        self.left = [step for step in self.left if step not in chain]
        return product, chain[::-1]

    def _division(self, numerator: Tensor, total: Tensor) -> tuple[bool, Read]:
        """What comes after the loop: the division, then at most a conversion into the result."""
        steps = [n for n in self.group.nodes if isinstance(n, Step) and numerator in n.inputs]
        if (
            len(steps) != 1
            or steps[0].einsum.map not in ("div", "div_left")
            or steps[0].inputs[1] is not total
        ):
            raise PassError("no division of the sums comes behind the loop", where="streamed cascade")
        final = steps[0]
        while final.output.argument is None:
            after = [n for n in self.group.nodes if isinstance(n, Step) and final.output in n.inputs]
            if len(after) != 1 or after[0].einsum.map not in ("id", "to_float") or after[0].einsum.reduce:
                raise PassError("more than a conversion comes behind the division", where=final.text)
            final = after[0]
        known = {steps[0], final}
        late = [n for n in self.group.nodes if isinstance(n, Step) and n.inputs and n not in known]
        if late:
            raise PassError("is computed besides the streamed softmax", where=late[0].text)
        return steps[0].einsum.map == "div_left", Read(final.output, final.einsum.output)

    def _index(self, index: Index) -> Index:
        """``m1*M0+m0`` as the rank it is."""
        terms = dict(index.terms)
        outer, inner = terms.pop(self.loop.rank, 0), terms.pop(self.loop.tile_rank, 0)
        if outer != inner * self.loop.tile:
            raise PassError("reads tiles in another order", where=str(index))
        if inner:
            terms[self.key] = inner
        return Index(tuple(terms.items()), index.const)

    def _access(self, access: Access) -> Access:
        return Access(access.tensor, tuple(self._index(index) for index in access.index))

    def _renamed(self, step: Step) -> Step:
        """A step of the chain in the whole rank; tensors made in the chain keep the tile's own index."""
        inside = {self.loop.tile_rank: Index.of(self.key)}
        made = {other.output for other in self.loop.body}
        operands, place = [], 0
        for operand in step.einsum.operands:
            if isinstance(operand, Access):
                own = step.inputs[place] in made
                operands.append(operand.substitute(inside) if own else self._access(operand))
                place += 1
            elif isinstance(operand, Coord):
                operands.append(Coord(self._index(operand.index)))
            else:
                operands.append(operand)
        einsum = Einsum(step.einsum.output.substitute(inside), step.einsum.map, tuple(operands))
        return Step(einsum, step.output, step.inputs, step.extents)

    def _read(self, step: Step, place: int) -> Read:
        tensor = step.inputs[place]
        if tensor in {other.output for other in self.loop.body}:
            raise PassError("an operand is made inside the loop", where=step.text)
        return Read(tensor, self._access(step.einsum.accesses[place]))

    def _sides(self, product: Step, rows: tuple[str, ...]) -> tuple[Read, Read]:
        first, second = (self._read(product, place) for place in (0, 1))
        query, keys = (second, first) if self.key in first.access.ranks else (first, second)
        if rows[-1] not in query.access.ranks or rows[-1] in keys.access.ranks:
            raise PassError(f"the rank {rows[-1]} is not the first operand's alone", where=product.text)
        return query, keys

    def _formula(self, chain: tuple[Step, ...]) -> tuple[Formula, Step | None]:
        """Where anything is live; with numbers that only the running kernel knows: anywhere."""
        live = live_points(self.group, self.loop)
        if live is None or live.reads:
            return All(), None
        masked = next((step for step in chain if step.output is live.masked.output), None)
        formula = self._whole(live.formula)
        return (formula, masked) if ranks_of(formula) else (All(), None)

    def _whole(self, formula: Formula) -> Formula:
        if isinstance(formula, Atom):
            return Atom(self._index(formula.index))
        parts = tuple(self._whole(part) for part in formula.parts)
        return All(parts) if isinstance(formula, All) else Any(parts)


def _factored(chain: tuple[Step, ...], product: Tensor, scores: Tensor) -> tuple[float, tuple[Step, ...]]:
    """A positive constant that the product is multiplied by, put off to the exponent.

    Allowed where nothing but choices of −∞ lies beside it.
    """
    factor, now, kept = 1.0, product, list[Step]()
    for step in chain:
        if now not in step.inputs:
            kept.append(step)
            continue
        einsum = step.einsum
        constants = [float(operand.value) for operand in einsum.operands if isinstance(operand, Literal)]
        scales = einsum.map == "mul" or (einsum.map == "div" and isinstance(einsum.operands[1], Literal))
        if step.output.element != "f32" or step.inputs.count(now) > 1:
            return 1.0, chain
        if scales and constants and 0 < constants[0] < math.inf:
            factor = factor * constants[0] if einsum.map == "mul" else factor / constants[0]
            step = Step(replace(einsum, map="id", operands=einsum.accesses), *_rest(step))
        elif not (einsum.map in ("id", "to_float") or (einsum.map == "where" and constants == [-math.inf])):
            return 1.0, chain
        kept.append(step)
        now = step.output
    return (factor, tuple(kept)) if now is scores else (1.0, chain)


def _rest(step: Step) -> tuple[Tensor, tuple[Tensor, ...], dict[str, int]]:
    return step.output, step.inputs, step.extents
