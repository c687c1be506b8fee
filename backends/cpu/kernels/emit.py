"""The emitter's entry: reads a ``cascade.fused`` op and writes its kernel."""

from __future__ import annotations

from collections.abc import Sequence

from ....ir.errors import PassError
from ....ir.mlir import ir
from ..isa import Isa
from .kernel import Kernel


def emit_kernel(fused: ir.Operation, symbol: str, isa: Isa, is_param: Sequence[bool] = ()) -> Kernel:
    """Write the kernel of one fused group.

    Args:
        fused: the ``cascade.fused`` op.
        symbol: C symbol of the kernel.
        isa: instruction set to write for.
        is_param: per operand, whether it is a parameter (constant, so it may be packed beforehand).

    Raises:
        PassError: the group holds something a kernel cannot do; the message names it.
    """
    raise PassError("no Einsum can be compiled yet", where=symbol)
