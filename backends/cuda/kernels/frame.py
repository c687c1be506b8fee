"""What both kernels of a streamed cascade share: parameters, ranks of a block, launches."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, prod

from ....ir.errors import PassError
from ...cpu.kernels.group import Group, Tensor
from ..codegen.text import ELEMENTS, Names, comment
from ..kernel import Arch, Buffer, Kernel, Launch, Place
from .streamed import Read, Streamed

_OWN = (
    "low", "high", "from", "to", "first", "end", "tile", "warp", "lane", "shared", "block", "score", "sums",
    "scores", "largest", "total", "kWhole", "outer", "row", "pairs", "stage", "group", "phase",
)  # fmt: skip
HALVES = ("bf16", "f16")
"""What the tensor cores multiply here."""
DEPTHS = range(16, 257, 16)
"""Extents of the summed rank and of the columns that fit the registers."""


@dataclass(frozen=True)
class Signature:
    """The kernel's parameters.

    Attributes:
        names: of every tensor, in order; the result is last.
        element: C++ type of the contractions' operands.
    """

    names: dict[Tensor, str]
    element: str
    extra: tuple[Tensor, ...]

    def parameters(self) -> str:
        """Their declarations as pointers."""
        result = list(self.names)[-1]
        return ", ".join(
            f"{'' if tensor is result else 'const '}{ELEMENTS[tensor.element]}* __restrict__ {name}"
            for tensor, name in self.names.items()
        )

    def declared(self) -> str:
        """The parameters that `score` gets after the point."""
        return "".join(
            f", const {ELEMENTS[tensor.element]}* __restrict__ {self.names[tensor]}" for tensor in self.extra
        )

    def buffer(self, tensor: Tensor) -> Buffer:
        """The parameter's description."""
        result = list(self.names)[-1]
        return Buffer(
            self.names[tensor], tensor.element, tensor.shape, role="out" if tensor is result else "in"
        )

    def passed(self) -> str:
        """The arguments that `score` gets after the point."""
        return "".join(f", {self.names[tensor]}" for tensor in self.extra)


def sign(cascade: Streamed) -> Signature:
    """The parameters of a cascade.

    Raises:
        PassError: operands or extents that the tensor cores do not take.
    """
    reads = (cascade.query, cascade.keys, cascade.values)
    elements = {read.tensor.element for read in reads}
    if len(elements) != 1 or not elements <= {*HALVES}:
        raise PassError(
            f"contractions of {', '.join(sorted(elements))}",
            where="streamed cascade",
            accepted=", ".join(HALVES),
        )
    for rank in (cascade.depth, cascade.width):
        if cascade.extents[rank] not in DEPTHS:
            accepted = "multiples of 16 up to 256"
            raise PassError(f"an extent of {cascade.extents[rank]}", where=f"rank {rank}", accepted=accepted)
    for read, rank in zip(reads, (cascade.depth, cascade.depth, cascade.width), strict=True):
        check_rows(read, rank)
    names = Names([*cascade.extents, *_OWN])
    extra = cascade.extra()
    tensors = dict.fromkeys([*(read.tensor for read in reads), *extra, cascade.output.tensor])
    return Signature({tensor: names.take(tensor.name) for tensor in tensors}, ELEMENTS[elements.pop()], extra)


def check_rows(read: Read, rank: str) -> None:
    """Hold an operand to rows that lie in pieces of 16 bytes.

    Raises:
        PassError: it is laid out otherwise.
    """
    last = read.access.index[-1]
    if last.plain != rank or any(rank in index.ranks for index in read.access.index[:-1]):
        raise PassError("its rows do not lie together", where=str(read.access), accepted=f"{rank} last")
    if read.tensor.shape[-1] % 8:
        raise PassError("its rows are no multiple of 16 bytes", where=str(read.access))


def outer_lines(cascade: Streamed, block: str) -> list[str]:
    """``const int h = …``: the outer ranks of a block, the last running fastest."""
    lines, below = list[str](), 1
    for rank in reversed(cascade.outer):
        text = f"{block} / {below}" if below > 1 else block
        if rank != cascade.outer[0]:
            text = f"{text} % {cascade.extents[rank]}"
        lines.append(f"  const int {rank} = {text};")
        below *= cascade.extents[rank]
    return lines[::-1]


def outer_count(cascade: Streamed) -> int:
    """How many points the outer ranks have."""
    return prod(cascade.extents[rank] for rank in cascade.outer)


def blocks(cascade: Streamed, rows: int) -> int:
    """Blocks of so many rows."""
    return ceil(cascade.extents[cascade.block] / rows)


def heading(cascade: Streamed) -> list[str]:
    """The Einsums as comments."""
    return [
        *comment(["The cascade, and what is computed of it here:"]),
        *(f"//   {text}" for text in cascade.texts),
    ]


def launches(group: Group, cascade: Streamed, kernel: Kernel, names: dict[Tensor, str]) -> tuple[Launch, ...]:
    """The conversions of whole inputs, then the kernel."""
    made, places = [], {}
    for number, (source, target) in enumerate(cascade.casts):
        places[target] = Place("work", number)
        made.append(_conversion(kernel.name, number, source, target, group))
    for tensor, name in names.items():
        del name
        if tensor.argument is not None:
            inside = tensor.argument < group.inputs
            places[tensor] = Place(
                "operand" if inside else "result",
                tensor.argument if inside else tensor.argument - group.inputs,
            )
    bound = {name: places[tensor] for tensor, name in names.items()}
    return (*made, Launch(kernel, bound))


def _conversion(name: str, number: int, source: Tensor, target: Tensor, group: Group) -> Launch:
    threads, per = 256, 4
    count = prod(source.shape)
    if source.argument is None or source.argument >= group.inputs:
        raise PassError("what is converted is no input", where=source.name)
    kernel = f"{name}_rounds_{number}"
    lines = [
        f"// {target.name} = to_float({source.name}), element by element",
        '#include "element.cuh"',
        "",
        f'extern "C" __global__ void __launch_bounds__({threads})',
        f"{kernel}(const {ELEMENTS[source.element]}* __restrict__ from,",
        f"    {ELEMENTS[target.element]}* __restrict__ to) {{",
        f"  const long long start = (static_cast<long long>(blockIdx.x) * {threads} + threadIdx.x) * {per};",
        f"  for (long long k = start; k < start + {per} && k < {count}; ++k) {{",
        f"    to[k] = Narrow<{ELEMENTS[target.element]}>::of(widen(from[k]));",
        "  }",
        "}",
        "",
    ]
    arch: Arch = "sm_80"
    made = Kernel(
        kernel, "\n".join(lines), arch, (ceil(count / (threads * per)), 1, 1), (threads, 1, 1), 0,
        (
            Buffer("from", source.element, source.shape),
            Buffer("to", target.element, target.shape, role="out"),
        ),
        (f"{target.name} = to_float({source.name})",), "rounds an input once",
    )  # fmt: skip
    return Launch(made, {"from": Place("operand", source.argument), "to": Place("work", number)})
