"""A section of a dataflow fabric. Nothing here is a place on the mesh, a register or a number of a flow: the
Verilog backend gives those.
"""

from .section import (
    End,
    Flow,
    Region,
    Section,
)
from .units import (
    DDR_BIT,
    LANES,
    MOST_DESTINATIONS,
    OPS,
    PIECE_BYTES,
    REDUCTIONS,
    SOURCES,
    TAILS,
    VECTOR_BYTES,
    WORD_BYTES,
    Buffer,
    Gemm,
    Instruction,
    Load,
    Operand,
    Reader,
    Rows,
    Store,
    Unit,
    Walk,
)

__all__ = [
    "DDR_BIT",
    "LANES",
    "MOST_DESTINATIONS",
    "OPS",
    "PIECE_BYTES",
    "REDUCTIONS",
    "SOURCES",
    "TAILS",
    "VECTOR_BYTES",
    "WORD_BYTES",
    "Buffer",
    "End",
    "Flow",
    "Gemm",
    "Instruction",
    "Load",
    "Operand",
    "Reader",
    "Region",
    "Rows",
    "Section",
    "Store",
    "Unit",
    "Walk",
]
