"""Batches of accesses as NumPy arrays: in order, none merged with another."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ...ir.errors import InputError
from .config import BoltConfig, Op
from .packet import Response


@dataclass(frozen=True)
class Answers:
    """Responses of a batch.

    Attributes:
        found: ``[n]`` bool, whether each key was there.
        values: ``[n, value_bytes]`` uint8; zeros where nothing is answered.
    """

    found: np.ndarray
    values: np.ndarray


class Accesses(ABC):
    """A map that is accessed one key at a time.

    Args:
        config: sizes.
    """

    def __init__(self, config: BoltConfig) -> None:
        self.config = config

    @abstractmethod
    def access(self, op: Op, key: int = 0, value: bytes = b"") -> Response:
        """One access."""

    def run(self, ops: ArrayLike, keys: ArrayLike, values: ArrayLike | None = None) -> Answers:
        """Accesses in order.

        Args:
            ops: ``[n]``, or one for all.
            keys: ``[n]``.
            values: ``[n, value_bytes]`` uint8; needed when an op is PUT.

        Raises:
            InputError: shapes or ranges that do not fit.
            FaultError: the map stopped, in this batch or before.
        """
        codes, numbers, data = self.batch(ops, keys, values)
        answers = self.no_answers(len(numbers))
        for at, (code, number) in enumerate(zip(codes.tolist(), numbers.tolist(), strict=True)):
            op = Op(code)
            response = self.access(op, number, data[at].tobytes() if op is Op.PUT else b"")
            answers.found[at] = response.found
            answers.values[at] = np.frombuffer(response.value, np.uint8)
        return answers

    def get(self, keys: ArrayLike) -> Answers:
        """Old values of keys."""
        return self.run(Op.GET, keys)

    def put(self, keys: ArrayLike, values: ArrayLike) -> Answers:
        """Store values; whether each replaced one."""
        return self.run(Op.PUT, keys, values)

    def delete(self, keys: ArrayLike) -> Answers:
        """Remove keys; their values."""
        return self.run(Op.DEL, keys)

    def no_answers(self, count: int) -> Answers:
        """Answers to be filled in."""
        return Answers(np.zeros(count, bool), np.zeros((count, self.config.value_bytes), np.uint8))

    def check(self, op: Op, key: int, value: bytes) -> None:
        """Raise `InputError` for an access that does not fit the map."""
        if not 0 <= key < 1 << 32:
            raise InputError(f"key {key}", where=f"BOLT {op.name}", accepted="0 to 2^32 - 1")
        wanted = self.config.value_bytes if op is Op.PUT else 0
        if len(value) != wanted:
            raise InputError(
                f"a value of {len(value)} bytes", where=f"BOLT {op.name}", accepted=f"{wanted} bytes"
            )

    def batch(
        self, ops: ArrayLike, keys: ArrayLike, values: ArrayLike | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A batch as arrays: ops uint8, keys uint32, values uint8 (no rows without a PUT).

        Raises:
            InputError: shapes or ranges that do not fit.
        """
        where = "BOLT batch"
        wide = np.asarray(keys)
        whole = wide.dtype.kind in "iu" or not wide.size
        if wide.ndim != 1 or not whole or (wide.size and (wide.min() < 0 or wide.max() >> 32)):
            found = f"keys are {wide.dtype}{list(wide.shape)}"
            raise InputError(found, where=where, accepted="[n] of 0 to 2^32 - 1")
        codes = np.broadcast_to(np.asarray(ops, np.uint8), wide.shape)
        if codes.size and codes.max() > max(Op):
            raise InputError(f"op {codes.max()}", where=where, accepted=f"0 to {int(max(Op))}")
        shape = (len(wide), self.config.value_bytes)
        data = np.zeros((0, shape[1]), np.uint8) if values is None else np.asarray(values)
        if (Op.PUT in codes or values is not None) and (data.shape != shape or data.dtype != np.uint8):
            found = f"values are {data.dtype}{list(data.shape)}"
            raise InputError(found, where=where, accepted=f"uint8{list(shape)}")
        return np.ascontiguousarray(codes), wide.astype(np.uint32), np.ascontiguousarray(data)
