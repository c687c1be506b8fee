"""The errors penstock shows to people: what is wrong, where, and what would be accepted.

Every one of them ends the command line with exit status 2 and one message, never a traceback.
"""

from __future__ import annotations

from dataclasses import dataclass


class PenstockError(Exception):
    """Base of every error a user can cause.

    Args:
        message: what is wrong, in one sentence.
        where: op, rank, key or ``file:line`` it concerns.
        accepted: what would have been accepted instead.
    """

    def __init__(self, message: str, *, where: str | None = None, accepted: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.accepted = accepted

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text} (accepted: {self.accepted})" if self.accepted else text

    def to_json(self) -> dict[str, object]:
        """The error as a JSON object, for ``--json``."""
        return {
            "type": type(self).__name__,
            "message": self.message,
            "where": self.where,
            "accepted": self.accepted,
        }


class InputError(PenstockError):
    """A model, shape, option, file or value that cannot be taken."""


class NotationError(InputError):
    """Einsum notation that does not parse or does not fit its tensors."""


class TargetError(PenstockError):
    """An unknown target or a target file that breaks the rules."""


class BundleError(PenstockError):
    """A bundle that is missing, corrupt, of another schema version, or cannot be written."""


class ToolMissing(PenstockError):
    """A compiler, simulator or optional package that is not installed."""


class PlanError(PenstockError):
    """A memory plan that does not exist (infeasible) or that the checker refuses."""


class VerifyError(PenstockError):
    """A comparison that cannot be carried out."""


class FaultError(PenstockError):
    """An oblivious map that stopped for good: something was tampered with, or a bound overflowed."""


class PassError(PenstockError):
    """A pass that cannot run: unknown name, bad option, or a module it does not take."""


@dataclass(frozen=True)
class UnsupportedOp:
    """One kind of operator that no part of penstock can lower, and where it was used."""

    op: str
    count: int
    sources: tuple[str, ...]
    reason: str

    def __str__(self) -> str:
        places = ", ".join(self.sources) or "unknown line"
        return f"{self.op} ×{self.count} at {places}: {self.reason}"


class UnsupportedOps(PenstockError):
    """Every unsupported operator of a model at once, with counts and source lines."""

    def __init__(self, ops: tuple[UnsupportedOp, ...], *, where: str | None = None) -> None:
        lines = "\n".join(f"  {op}" for op in ops)
        super().__init__(
            f"{len(ops)} unsupported operator{'s' if len(ops) != 1 else ''}:\n{lines}",
            where=where,
            accepted="the operators of docs/op_coverage.md",
        )
        self.ops = ops

    def to_json(self) -> dict[str, object]:
        """The error with one entry per operator."""
        listed = [
            {"op": op.op, "count": op.count, "sources": list(op.sources), "reason": op.reason}
            for op in self.ops
        ]
        return {**super().to_json(), "ops": listed}


@dataclass(frozen=True)
class PrivateUse:
    """One use of a private value that would show it, where it is, and what would hide it."""

    op: str
    source: str
    reason: str
    accepted: str

    def __str__(self) -> str:
        return f"{self.op} at {self.source}: {self.reason} (accepted: {self.accepted})"


class PrivateUses(PenstockError):
    """Every use of a private value that would show it, at once."""

    def __init__(self, uses: tuple[PrivateUse, ...], *, where: str | None = None) -> None:
        lines = "\n".join(f"  {use}" for use in uses)
        super().__init__(
            f"{len(uses)} use{'s' if len(uses) != 1 else ''} of private values:\n{lines}",
            where=where,
        )
        self.uses = uses

    def to_json(self) -> dict[str, object]:
        """The error with one entry per use."""
        listed = [
            {"op": use.op, "source": use.source, "reason": use.reason, "accepted": use.accepted}
            for use in self.uses
        ]
        return {**super().to_json(), "uses": listed}
