"""From Einsums to stages: each Einsum begins a stage or goes on with one.

The module has been through ``relabel,simplify``, so that views and transposes are index expressions. Rules
look at operators, at who is a parameter, and at which ranks are summed; rank and tensor names are free.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from ...ir.build import EinsumView, is_einsum
from ...ir.cascade import shape_of
from ...ir.einsum import Index, Literal
from ...ir.entries import NAME, arguments, is_param, text_attribute
from ...ir.errors import PassError
from ...ir.mlir import func, ir
from ...ir.steps import body, returned
from .stage import Activation, AddNorm, Context, Linear, Scores, Softmax, Stage, Stages
from .templates import NORM, SOFTMAX, match

ACCEPTED = "linear layers, GELU, softmax attention, residuals added and normalised: a transformer's block"


def recognise(function: func.FuncOp) -> Stages:
    """A function's Einsums as stages.

    Args:
        function: relabelled and simplified; its one input ``[b, s, d]`` streams, a tile for each b.

    Raises:
        PassError: an Einsum that belongs to no stage, or inputs and results of another kind.
    """
    return _Reader(function).read()


@dataclass
class _Reader:
    function: func.FuncOp
    names: dict[ir.Value, str] = field(default_factory=dict)
    params: dict[ir.Value, str] = field(default_factory=dict)
    inputs: dict[ir.Value, str] = field(default_factory=dict)
    masked: dict[ir.Value, tuple[str, bool]] = field(default_factory=dict)
    residuals: dict[ir.Value, tuple[str, str]] = field(default_factory=dict)
    stages: dict[str, Stage] = field(default_factory=dict)
    activations: dict[str, Activation] = field(default_factory=dict)

    def read(self) -> Stages:
        """See `recognise`."""
        source, tiles = self._arguments()
        views = [EinsumView.of(op) for op in self._einsums()]
        at = 0
        while at < len(views):
            at += self._one(views[at:])
        results = [self.names.get(value, "") for value in returned(self.function)]
        if len(results) != 1 or results[0] not in self.stages:
            raise PassError("its result is not one stage's", where=self._where, accepted=ACCEPTED)
        masks = [each.mask for each in self.stages.values() if isinstance(each, Softmax) and each.mask]
        mask = masks[0] if masks else None
        return Stages(self.activations, tuple(self.stages.values()), source, results[0], mask, tiles)

    @property
    def _where(self) -> str:
        return f"function {self.function.name.value}"

    def _einsums(self) -> list[ir.Operation]:
        ops = list(body(self.function))[:-1]
        odd = next((op.name for op in ops if not is_einsum(op)), None)
        if odd is not None:
            raise PassError(f"'{odd}' is no Einsum", where=self._where, accepted=ACCEPTED)
        return ops

    def _arguments(self) -> tuple[str, int]:
        """The input that streams, and how many tiles of it there are."""
        streams = []
        for value, table in zip(self.function.arguments, arguments(self.function), strict=True):
            name = text_attribute(table, NAME, f"argument {len(self.inputs)}")
            if is_param(table):
                self.params[value] = name
            elif len(shape_of(value)) == 3:
                streams.append(value)
                self.names[value] = name
                self.activations[name] = Activation(name, *shape_of(value)[1:])
            else:
                self.inputs[value] = name
        if len(streams) != 1:
            raise PassError(
                f"{len(streams)} inputs [b, s, d]", where=self._where, accepted="one, that streams through"
            )
        return self.names[streams[0]], shape_of(streams[0])[0]

    def _one(self, views: Sequence[EinsumView]) -> int:
        """Read the next stage or piece of one; how many Einsums it took.

        Raises:
            PassError: the first of them is no piece of a stage.
        """
        view = views[0]
        rules: tuple[Callable[[EinsumView], bool], ...] = (
            self._linear,
            self._scores,
            self._context,
            self._bias,
            self._gelu,
            self._scale,
            self._mask,
            self._residual,
        )
        if any(rule(view) for rule in rules):
            return 1
        if self._softmax(views):
            return len(SOFTMAX)
        if self._norm(views):
            return len(NORM)
        raise PassError("this Einsum belongs to no stage", where=str(view.einsum), accepted=ACCEPTED)

    def _begin(self, result: ir.Value, tensor: str, rows: int, width: int) -> str:
        """The name of a new activation."""
        name, number = tensor, 2
        while name in self.activations:
            name, number = f"{tensor}_{number}", number + 1
        self.names[result] = name
        self.activations[name] = Activation(name, rows, width)
        return name

    def _stage(self, value: ir.Value) -> Stage | None:
        return self.stages.get(self.names.get(value, ""))

    def _go_on(self, view: EinsumView, old: ir.Value, stage: Stage) -> bool:
        """The stage's result is this Einsum's from now on, unless somebody else reads the old one."""
        if len(list(old.uses)) > 1:
            return False
        name = self.names.pop(old)
        self.names[view.result] = name
        self.stages[name] = stage
        return True

    def _linear(self, view: EinsumView) -> bool:
        """``Y[b, s, n…] = Σ X[b, s, d…] · W[n, d]``, n and d whole numbers made of ranks in order."""
        einsum = view.einsum
        if not _is_contraction(view) or view.operands[1] not in self.params:
            return False
        source = self.names.get(view.operands[0])
        left, right = einsum.accesses
        if source is None or len(right.index) != 2 or left.plain[:2] != einsum.output.plain[:2]:
            return False
        extents = view.extents()
        if right.index != (_number(einsum.output.index[2:], extents), _number(left.index[2:], extents)):
            return False
        if set(einsum.reduced) != {rank for index in left.index[2:] for rank in index.ranks}:
            return False
        rows, width = self.activations[source].rows, shape_of(view.operands[1])[0]
        name = self._begin(view.result, einsum.output.tensor, rows, width)
        self.stages[name] = Linear(source, self.params[view.operands[1]], name)
        return True

    def _scores(self, view: EinsumView) -> bool:
        """``QK[b, h, p, m] = Σ_e Q[b, p, h, e] · K[b, m, h, e]``."""
        if not _is_contraction(view):
            return False
        query, key = (self.names.get(value) for value in view.operands)
        q, k = (access.plain for access in view.einsum.accesses)
        out = view.einsum.output.plain
        if query is None or key is None or not len(q) == len(k) == len(out) == 4:
            return False
        batch, rows, head, summed = q
        if k != (batch, k[1], head, summed) or out != (batch, head, rows, k[1]):
            return False
        heads = view.extents()[head or ""]
        width = shape_of(view.result)[3]
        name = self._begin(
            view.result, view.einsum.output.tensor, heads * self.activations[query].rows, width
        )
        self.stages[name] = Scores(query, key, name, heads)
        return True

    def _context(self, view: EinsumView) -> bool:
        """``AV[b, p, h, f] = Σ_m A[b, h, p, m] · V[b, m, h, f]``."""
        if not _is_contraction(view) or not isinstance(self._stage(view.operands[0]), Softmax):
            return False
        weights, value = (self.names.get(each) for each in view.operands)
        a, v = (access.plain for access in view.einsum.accesses)
        out = view.einsum.output.plain
        if weights is None or value is None or not len(a) == len(v) == len(out) == 4:
            return False
        batch, head, rows, summed = a
        if v != (batch, summed, head, v[3]) or out != (batch, rows, head, v[3]):
            return False
        heads = view.extents()[head or ""]
        rows_of = self.activations[weights].rows // heads
        name = self._begin(view.result, view.einsum.output.tensor, rows_of, heads * shape_of(view.result)[3])
        self.stages[name] = Context(weights, value, name, heads)
        return True

    def _bias(self, view: EinsumView) -> bool:
        einsum, stage = view.einsum, self._stage(view.operands[0])
        if einsum.map != "add" or einsum.reduce or len(view.operands) != 2:
            return False
        if not isinstance(stage, Linear) or stage.gelu or stage.bias or view.operands[1] not in self.params:
            return False
        if einsum.accesses[1].index != (_number(einsum.output.index[2:], view.extents()),):
            return False
        return self._go_on(view, view.operands[0], replace(stage, bias=self.params[view.operands[1]]))

    def _gelu(self, view: EinsumView) -> bool:
        stage = self._stage(view.operands[0])
        if view.einsum.map != "gelu" or not isinstance(stage, Linear) or stage.gelu:
            return False
        return self._go_on(view, view.operands[0], replace(stage, gelu=True))

    def _scale(self, view: EinsumView) -> bool:
        einsum, stage = view.einsum, self._stage(view.operands[0])
        if einsum.map not in ("mul", "div") or einsum.reduce or not isinstance(stage, Scores):
            return False
        if len(view.operands) != 1 or not isinstance(einsum.operands[1], Literal):
            return False
        factor = float(einsum.operands[1].value)
        scale = stage.scale * factor if einsum.map == "mul" else stage.scale / factor
        return self._go_on(view, view.operands[0], replace(stage, scale=scale))

    def _mask(self, view: EinsumView) -> bool:
        """``where(mask[…, m], S, -inf)`` or ``add(S, mask[…, m])``: the same for all heads and queries."""
        einsum = view.einsum
        scores = [value for value in view.operands if isinstance(self._stage(value), Scores)]
        masks = [value for value in view.operands if value in self.inputs]
        if einsum.reduce or len(scores) != 1 or len(masks) != 1 or scores[0] in self.masked:
            return False
        boolean = einsum.map == "where"
        hidden = einsum.operands[-1]
        if boolean and not (isinstance(hidden, Literal) and hidden.value == float("-inf")):
            return False
        if not boolean and einsum.map != "add":
            return False
        places = einsum.accesses[list(view.operands).index(masks[0])].index
        if places[-1].plain != einsum.output.plain[-1] or places[0].plain != einsum.output.plain[0]:
            return False
        if any(index.ranks for index in places[1:-1]):
            return False
        stage = self._stage(scores[0])
        assert stage is not None
        self.masked[view.result] = (self.inputs[masks[0]], boolean)
        return self._go_on(view, scores[0], stage)

    def _softmax(self, views: Sequence[EinsumView]) -> bool:
        found = match(SOFTMAX, views)
        source = found and self._stage(found.tensors["S"])
        if found is None or not isinstance(source, Scores):
            return False
        shape = self.activations[source.result]
        mask, boolean = self.masked.get(found.tensors["S"], (None, False))
        last = views[len(SOFTMAX) - 1]
        name = self._begin(last.result, last.einsum.output.tensor, shape.rows, shape.width)
        self.stages[name] = Softmax(source.result, name, mask, boolean)
        return True

    def _residual(self, view: EinsumView) -> bool:
        """Two activations added, for a normalisation to come."""
        einsum = view.einsum
        names = [self.names.get(value) for value in view.operands]
        if einsum.map != "add" or einsum.reduce or len(names) != 2:
            return False
        if any(access.plain != einsum.output.plain for access in einsum.accesses):
            return False
        if names[0] is None or names[1] is None:
            return False
        self.residuals[view.result] = (names[0], names[1])
        return True

    def _norm(self, views: Sequence[EinsumView]) -> bool:
        found = match(NORM, views)
        if found is None or found.tensors["X"] not in self.residuals:
            return False
        source, residual = self.residuals[found.tensors["X"]]
        shape = self.activations[source]
        weight, bias = (self.params.get(found.tensors[name]) for name in ("Weight", "Bias"))
        if weight is None or bias is None or found.literals[:2] != [shape.width, shape.width]:
            return False
        last = views[len(NORM) - 1]
        name = self._begin(last.result, last.einsum.output.tensor, shape.rows, shape.width)
        self.stages[name] = AddNorm(source, residual, name, weight, bias, found.literals[2])
        return True


def _is_contraction(view: EinsumView) -> bool:
    return view.einsum.map == "mul" and view.einsum.reduce == "sum" and len(view.operands) == 2


def _number(indices: Sequence[Index], extents: dict[str, int]) -> Index:
    """The row-major number of ranks: ``h*32+e`` for ``[h, e]``."""
    terms, step = [], 1
    for index in reversed(indices):
        terms.append((index.plain or "", step))
        step *= extents.get(index.plain or "", 1)
    return Index(tuple(reversed(terms)))
