"""A section's PCUs as their registers say it."""

from __future__ import annotations

from ....ir.bitmod_format import GROUP_SIZE, lookup
from ....ir.fabric import (
    LANES,
    OPS,
    REDUCTIONS,
    SOURCES,
    TAILS,
    Compute,
    Instruction,
    Operand,
    Quantized,
    Rows,
)
from ..sn40l_pcu import registers as pcu


def configuration(unit: Compute, tiles: int) -> pcu.Configuration:
    """What a PCU does in a run of so many tiles; flows, planes, queues and credits are not in it."""
    if isinstance(unit, Rows):
        return pcu.Configuration(
            pcu.Mode.SIMD,
            tiles,
            unit.trips,
            unit.packets,
            program=tuple(map(_instruction, (*unit.once, *unit.body))),
            body=len(unit.once),
            constants=unit.constants,
        )
    if isinstance(unit, Quantized):
        chosen = lookup(unit.format)
        return pcu.Configuration(
            pcu.Mode.GEMM,
            tiles,
            unit.tiles,
            unit.packets,
            depth=-(-unit.depth // GROUP_SIZE),
            tiles=unit.depth % GROUP_SIZE // LANES,
            rows=unit.rows,
            program=(_result(1.0, unit.gelu),),
            weights=chosen.mode,
            specials=chosen.special_terms,
        )
    return pcu.Configuration(
        pcu.Mode.GEMM,
        tiles,
        unit.tiles,
        unit.packets,
        bias=unit.bias,
        depth=unit.steps,
        tiles=unit.row_tiles,
        rows=LANES * unit.row_tiles,
        program=(_result(unit.scale, unit.gelu),),
        constants=(unit.scale,),
    )


def _result(scale: float, gelu: bool) -> pcu.Instruction:
    """What a row of a systolic body passes through."""
    scaled = scale != 1.0
    return _instruction(
        Instruction(
            "mul" if scaled else "copy",
            Operand("queue", 0),
            Operand("constant", 0) if scaled else None,
            1,
            tail="gelu" if gelu else "none",
            output=True,
        )
    )


def _instruction(each: Instruction) -> pcu.Instruction:
    y = each.y or Operand("scalar", 0)
    return pcu.Instruction(
        op=OPS.index(each.op),
        tail=TAILS.index(each.tail),
        x_source=SOURCES.index(each.x.source),
        x_index=_index(each.x),
        y_source=SOURCES.index(y.source),
        y_index=_index(y),
        reduce=REDUCTIONS.index(each.reduce),
        rd=each.scalar,
        to_buffer=each.buffer is not None,
        to_output=each.output,
        waits=each.waits,
        x_addr=_address(each.x),
        y_addr=_address(y),
        dst=each.buffer or 0,
        count=each.count - 1,
    )


def _index(operand: Operand) -> int:
    return 0 if operand.source == "buffer" else operand.at


def _address(operand: Operand) -> int:
    return operand.at if operand.source == "buffer" else 0
