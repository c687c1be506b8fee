"""A plan as ``tier`` operations: places of all tensors, copies and the waits for them, in order.

A layer is four functions: its forward, the write of its output, the recomputing and the backward; they have
no bodies of their own. Tensors are bytes, [tokens, bytes of a token], a split one in two: what is copied and
what is recomputed. The verifier of memory maps holds the module to its rules: a copy that is waited for too
late is two tensors in one place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ...ir.module import parse_module, print_module
from ...ir.steps import UPSTREAM
from ...ir.swap_plan import BUFFERS, KEEP, KEPT, SWAP, LayerPlan, Skeletal, SwapPlan, place
from ...ir.tier_moves import FLOAT_BYTES, FRAMES, Room, verify_moves
from .costs import Costs

DEVICE, HOST = "hbm", "host"
TOKEN = "!tier.token"


@dataclass(frozen=True)
class _Piece:
    """Some tokens of a tensor.

    Attributes:
        tensor: its name.
        rows, row_bytes: how many, of what size.
        offset: on the device.
        host: in the slab, where it is copied; else None.
        again: whether it is recomputed.
    """

    tensor: str
    rows: int
    row_bytes: int
    offset: int
    host: int | None
    again: bool

    @property
    def type(self) -> str:
        return f"tensor<{self.rows}x{self.row_bytes}xi8>"

    @property
    def bytes(self) -> int:
        return self.rows * self.row_bytes


def module_text(costs: Costs, plan: SwapPlan) -> str:
    """The step as a verified module's text.

    Raises:
        PlanError: the verifier refuses it: tensors meet, or something is read before its copy was waited for.
    """
    module = parse_module(_Writer(plan).text(), where="the plan's module")
    machine = costs.machine
    room = machine.device_bytes - costs.fixed_bytes
    rooms = {DEVICE: Room(room, 1), HOST: Room(max(machine.host_bytes, plan.host_bytes), 1)}
    verify_moves(module, rooms, DEVICE)
    return print_module(module)


def _slots(plan: SwapPlan) -> Mapping[str, int]:
    """Places of tensors in a rounding buffer."""
    found, at = {}, 0
    for tensor in plan.tensors:
        if tensor.kind != KEPT:
            found[tensor.name] = at
            at += place(tensor.token_bytes * plan.tokens)
    return found


@dataclass
class _Writer:
    plan: SwapPlan
    lines: list[str] = field(default_factory=list)
    functions: dict[tuple[str, tuple[str, ...], tuple[str, ...]], str] = field(default_factory=dict)
    values: int = 0

    def __post_init__(self) -> None:
        self.own = BUFFERS * self.plan.buffer_bytes  # the next place of its own
        slots = _slots(self.plan)
        self.pieces = [list(self._pieces(layer, slots)) for layer in self.plan.layers]
        arena = self.plan.transients.arena_bytes if self.plan.transients else 0
        self.arena_at, self.arena_type = self.own, f"tensor<{max(arena, 1)}xi8>"
        self.frame = self.own + max(arena, 1)
        self.before = _before(self.plan.layers)

    def _pieces(self, layer: LayerPlan, slots: Mapping[str, int]) -> Iterator[_Piece]:
        for tensor, action in zip(self.plan.tensors, layer.actions, strict=True):
            own = tensor.kind == KEPT or layer.buffer is None or (layer.swapped and action.action == KEEP)
            if own:
                at = self.own
                self.own += place(tensor.token_bytes * self.plan.tokens)
            else:
                at = (layer.buffer or 0) * self.plan.buffer_bytes + slots[tensor.name]
            yield from self._split(tensor, action.action, action.tokens, action.host_offset, at)

    def _split(
        self, tensor: Skeletal, action: str, tokens: int, host: int | None, at: int
    ) -> Iterator[_Piece]:
        if action == KEEP:
            yield _Piece(tensor.name, self.plan.tokens, tensor.token_bytes, at, None, False)
            return
        if action == SWAP:
            yield _Piece(tensor.name, tokens, tensor.token_bytes, at, host, False)
        rest = self.plan.tokens - tokens
        if rest:
            after = at + tokens * tensor.token_bytes
            yield _Piece(tensor.name, rest, tensor.token_bytes, after, None, True)

    def text(self) -> str:
        """All of it."""
        self.arena = self._call("arena", (), (self.arena_type,))[0]
        self._place(self.arena, self.arena_type, DEVICE, self.arena_at, self._size(self.arena_type))
        inputs = self.pieces[0][0]
        first = self._made("begin", (), [inputs])
        held = [{inputs: first[0]}]
        tokens: dict[int, list[str]] = {}
        slab: dict[int, dict[_Piece, str]] = {}
        for at in range(len(self.plan.layers)):
            self._forward(at, held, tokens, slab)
        self._call("head", ((self.arena, self.arena_type),), ())
        coming: dict[int, list[str]] = {}
        for at in reversed(range(len(self.plan.layers))):
            self._backward(at, held, slab, coming)
        return self._module()

    def _forward(
        self,
        at: int,
        held: list[dict[_Piece, str]],
        tokens: dict[int, list[str]],
        slab: dict[int, dict[_Piece, str]],
    ) -> None:
        pieces, layer = self.pieces[at], self.plan.layers[at]
        there = held[at]
        made = self._made("forward", self._operands(there), pieces[1:])
        there.update(zip(pieces[1:], made, strict=True))
        if layer.swapped:
            tokens[at], slab[at] = [], {}
            for piece in pieces:
                if piece.host is not None:
                    copied, token = self._copy(there[piece], piece, HOST, piece.host)
                    slab[at][piece] = copied
                    tokens[at].append(token)
        if at + 1 == len(self.plan.layers):
            self._call("output", self._operands(there), ())
            return
        if at + 1 in self.before:
            self._wait(tokens[self.before[at + 1]])
        following = self.pieces[at + 1][0]
        held.append({following: self._made("output", self._operands(there), [following])[0]})

    def _backward(
        self,
        at: int,
        held: list[dict[_Piece, str]],
        slab: dict[int, dict[_Piece, str]],
        coming: dict[int, list[str]],
    ) -> None:
        there = held[at]
        self._wait(coming.pop(at, []))
        returned = slab.pop(at, {})
        self._drop(returned.items())
        again = [piece for piece in self.pieces[at] if piece.again]
        if again:
            kept = {piece: value for piece, value in there.items() if not piece.again}
            there.update(zip(again, self._made("recompute", self._operands(kept), again), strict=True))
        self._call("backward", self._operands(there), ())
        self._drop((piece, there[piece]) for piece in returned)
        earlier = self.before.get(at)
        if earlier is not None:
            coming[earlier] = []
            for piece, value in slab[earlier].items():
                held[earlier][piece], token = self._copy(value, piece, DEVICE, piece.offset)
                coming[earlier].append(token)

    def _operands(self, there: Mapping[_Piece, str]) -> tuple[tuple[str, str], ...]:
        return (*((value, piece.type) for piece, value in there.items()), (self.arena, self.arena_type))

    def _made(self, kind: str, operands: Sequence[tuple[str, str]], pieces: Sequence[_Piece]) -> list[str]:
        """A call whose results are pieces, each at its place."""
        made = self._call(kind, tuple(operands), tuple(piece.type for piece in pieces))
        return [
            self._place(value, piece.type, DEVICE, piece.offset, piece.bytes)
            for value, piece in zip(made, pieces, strict=True)
        ]

    def _call(self, kind: str, operands: tuple[tuple[str, str], ...], results: tuple[str, ...]) -> list[str]:
        key = (kind, tuple(each for _, each in operands), results)
        count = sum(name[0] == kind for name in self.functions)
        name = self.functions.setdefault(key, f"{kind}_{count}" if count else kind)
        values = [self._new() for _ in results]
        given = f"{', '.join(values)} = " if values else ""
        signature = f"({', '.join(key[1])}) -> ({', '.join(results)})"
        self.lines.append(f"{given}func.call @{name}({', '.join(v for v, _ in operands)}) : {signature}")
        return values

    def _place(self, value: str, kind: str, tier: str, offset: int, size: int) -> str:
        placed = self._new()
        facts = f'{{bytes = {size} : i64, offset = {offset} : i64, tier = "{tier}"}}'
        self.lines.append(f'{placed} = "tier.alloc"({value}) {facts} : ({kind}) -> {kind}')
        return placed

    def _copy(self, value: str, piece: _Piece, to: str, offset: int) -> tuple[str, str]:
        copied, token = self._new(), self._new()
        kinds = f"({piece.type}) -> ({piece.type}, {TOKEN})"
        self.lines.append(f'{copied}, {token} = "tier.copy"({value}) {{to = "{to}"}} : {kinds}')
        return self._place(copied, piece.type, to, offset, piece.bytes), token

    def _wait(self, tokens: Sequence[str]) -> None:
        self.lines += [f'"tier.wait"({token}) : ({TOKEN}) -> ()' for token in tokens]

    def _drop(self, values: Iterable[tuple[_Piece, str]]) -> None:
        self.lines += [f'"tier.drop"({value}) : ({piece.type}) -> ()' for piece, value in values]

    def _new(self) -> str:
        self.values += 1
        return f"%v{self.values}"

    @staticmethod
    def _size(kind: str) -> int:
        return int(kind.removeprefix("tensor<").split("x")[0])

    def _module(self) -> str:
        frames = f"{{{DEVICE} = {self.frame} : i64, {HOST} = {self.plan.host_bytes} : i64}}"
        facts = f"attributes {{{FRAMES} = {frames}, {FLOAT_BYTES} = 2 : i64}}"
        parts = ["module {", f"func.func @step() {facts} {{", *self.lines, "return", "}"]
        for (_, operands, results), name in self.functions.items():
            arguments = ", ".join(f"%a{at}: {kind}" for at, kind in enumerate(operands))
            head = f"func.func private @{name}({arguments}) -> ({', '.join(results)})"
            parts.append(f"{head} attributes {{{UPSTREAM}}} {{")
            parts += [f"%r{at} = tensor.empty() : {kind}" for at, kind in enumerate(results)]
            given = ", ".join(f"%r{at}" for at in range(len(results)))
            parts += [f"return {given} : {', '.join(results)}" if results else "return", "}"]
        return "\n".join([*parts, "}"])


def _before(layers: Sequence[LayerPlan]) -> dict[int, int]:
    """Layer → the one before it in its buffer: it is waited for, and comes back once the layer is through."""
    before: dict[int, int] = {}
    last: dict[int, int] = {}
    for layer in layers:
        if layer.buffer is not None:
            if layer.buffer in last:
                before[layer.index] = last[layer.buffer]
            last[layer.buffer] = layer.index
    return before
