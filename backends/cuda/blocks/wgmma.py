"""The wgmma instruction for one number of columns, as specialisations of the templates in ``wgmma.cuh``.

PTX wants every accumulator register named, so each number of columns has a text of its own (PTX ISA,
*Asynchronous warpgroup level matrix instructions*).
"""

from __future__ import annotations

from typing import Literal

from ....ir.errors import PassError

COLUMNS = range(8, 257, 8)
"""Columns of one instruction."""
Left = Literal["shared", "registers"]
_PTX = {"bf16": "bf16", "f16": "f16"}


def wgmma_text(columns: int, element: str, left: Left, *, transposed: bool) -> str:
    """``wgmma_shared`` or ``wgmma_registers`` for a tile of 64 x `columns`, summing 16 at a time.

    Args:
        columns: a multiple of 8 up to 256.
        element: ``bf16`` or ``f16``.
        left: where the left operand is: a descriptor, or four registers of a thread.
        transposed: the right operand's rows are the summed rank, not the columns.

    Raises:
        PassError: no such instruction.
    """
    if columns not in COLUMNS or element not in _PTX:
        accepted = "columns a multiple of 8 up to 256, bf16 or f16"
        raise PassError(f"wgmma with {columns} columns of {element}", where="wgmma", accepted=accepted)
    count = columns // 2
    sums = ", ".join(f"%{k}" for k in range(count))
    shared = left == "shared"
    first = [f"%{count}"] if shared else [f"%{count + k}" for k in range(4)]
    operand = first[0] if shared else f"{{{', '.join(first)}}}"
    right, add = (f"%{count + len(first) + k}" for k in (0, 1))
    # Signs of both operands, then which of them are transposed; only what is in shared memory can be.
    flags = f"1, 1, 0, {int(transposed)}" if shared else f"1, 1, {int(transposed)}"
    outputs = ", ".join(f'"+f"(sums[{k}])' for k in range(count))
    inputs = ['"l"(a)'] if shared else [f'"r"(a[{k}])' for k in range(4)]
    given = "u64 a" if shared else "const u32 (&a)[4]"
    kind = _PTX[element]
    name = f"wgmma_{left}<{element}, {str(transposed).lower()}, {count}>"
    return "\n".join(
        [
            "#ifndef PENSTOCK_EMULATED",
            "template <>",
            f"__device__ __forceinline__ void {name}(",
            f"    float (&sums)[{count}], {given}, u64 b, bool add) {{",
            "  asm volatile(",
            r'      "{\n.reg .pred add;\n"',
            rf'      "setp.ne.b32 add, {add}, 0;\n"',
            f'      "wgmma.mma_async.sync.aligned.m64n{columns}k16.f32.{kind}.{kind} "',
            *(f'      "{line}"' for line in _wrapped(f"{{{sums}}}, {operand}, {right}, add, {flags};")),
            r'      "\n}"',
            *(f"      {line}" for line in _wrapped(f": {outputs}")),
            f'      : {", ".join(inputs)}, "l"(b), "r"(static_cast<int>(add)));',
            "}",
            "#endif",
            "",
        ]
    )


def _wrapped(text: str, width: int = 96) -> list[str]:
    """The text in lines, cut behind commas."""
    lines, line = [], ""
    for part in text.split(", "):
        piece = f"{part}, "
        if line and len(line) + len(piece) > width:
            lines.append(line)
            line = ""
        line += piece
    return [*lines, line.removesuffix(", ")]
