"""The tier dialect: where tensors live and when they move, explicit in the program.

- ``tier.alloc`` pins a value's storage: tier, byte offset in that tier's arena, size.
- ``tier.copy`` starts an asynchronous copy into another tier and gives a token; ``tier.wait`` joins it.
- ``tier.drop`` ends a value's life; its bytes may be used again.

Offsets inside a function are relative to its frame: a ``func.func`` has ``tier.frame_bytes``, a
``func.call`` has ``tier.frame_offset``, the place of the callee's frame in the caller's.
"""

# No postponed annotations here: the dialect classes are built from their evaluated type hints.
from .mlir import ext, ir


class Tier(ext.Dialect, name="tier"):
    """Storage and movement of tensors."""


class TokenType(Tier.Type, name="token"):
    """Completion of an asynchronous copy."""


def _emit(op: ir.OpView, message: str) -> bool:
    op.location.emit_error(f"{op.operation.name}: {message}")
    return False


class AllocOp(Tier.Operation, name="alloc", traits=[ext.Pure]):
    """The value itself, now at a fixed place.

    Attributes:
        tier: name of a tier of the target.
        offset: byte offset from the start of the function's frame in that tier.
        bytes: size reserved.
    """

    tier: ir.StringAttr
    offset: ir.IntegerAttr
    bytes: ir.IntegerAttr
    value: ext.Operand[ir.RankedTensorType]
    placed: ext.Result[ir.RankedTensorType] = ext.result()

    @staticmethod
    def verify_invariants(op: ir.OpView) -> bool:
        """Type unchanged, offset and size not negative."""
        if op.operands[0].type != op.results[0].type:
            return _emit(op, f"changes {op.operands[0].type} into {op.results[0].type}")
        for name in ("offset", "bytes"):
            if ir.IntegerAttr(op.attributes[name]).value < 0:
                return _emit(op, f"{name} is negative")
        return True


class CopyOp(Tier.Operation, name="copy"):
    """Starts a copy into tier `to`; the result may be read after the token is waited for."""

    to: ir.StringAttr
    value: ext.Operand[ir.RankedTensorType]
    copied: ext.Result[ir.RankedTensorType] = ext.result()
    token: ext.Result[TokenType] = ext.result()

    @staticmethod
    def verify_invariants(op: ir.OpView) -> bool:
        """Type unchanged."""
        if op.operands[0].type != op.results[0].type:
            return _emit(op, f"changes {op.operands[0].type} into {op.results[0].type}")
        return True


class WaitOp(Tier.Operation, name="wait"):
    """Blocks until the copy behind the token is complete."""

    token: ext.Operand[TokenType]


class DropOp(Tier.Operation, name="drop"):
    """The value is not read after this point."""

    value: ext.Operand[ir.RankedTensorType]
