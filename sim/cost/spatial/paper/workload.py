"""The encoders FuseMax is evaluated on (section VI-A; sizes from the artifact's ``flat_validation.csv``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from .....ir.errors import InputError

WORD_BYTES = 2
"""Tensors are 16 bits wide (section VI-A)."""

BATCH = 64
"""The batch of every workload."""


@dataclass(frozen=True)
class Workload:
    """One encoder layer, in the paper's ranks.

    Attributes:
        b, h: batch and heads.
        e, f: embedding of queries and keys, and of values.
        m, p: keys and queries (the equations' M and P).
        d, s: width of the model and of its feed-forward layer.
    """

    b: int
    h: int
    e: int
    f: int
    m: int
    p: int
    d: int
    s: int

    def __post_init__(self) -> None:
        sizes = (self.b, self.h, self.e, self.f, self.m, self.p, self.d, self.s)
        if min(sizes) < 1:
            raise InputError(f"a workload of sizes {sizes}", accepted="positive whole numbers")

    @property
    def tokens(self) -> int:
        """Rows of the linear layers, B·P."""
        return self.b * self.p

    @property
    def operand_bytes(self) -> int:
        """Bytes of Q, and of K, V and AV when M = P and E = F."""
        return WORD_BYTES * self.b * self.h * self.e * self.p


MODELS: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "bert": MappingProxyType({"d": 768, "h": 12, "e": 64, "s": 3072}),
        "trxl": MappingProxyType({"d": 1024, "h": 16, "e": 64, "s": 4096}),
        "t5": MappingProxyType({"d": 512, "h": 8, "e": 64, "s": 2048}),
        "xlm": MappingProxyType({"d": 2048, "h": 16, "e": 128, "s": 8192}),
    }
)
"""BERT-Base, TrXL-wt103, T5-small, XLM."""

SEQUENCES: Mapping[str, int] = MappingProxyType({f"{4**n}k": 4**n * 1024 for n in range(5)} | {"1m": 2**20})
"""Sequence lengths by the names the figures give them."""


def workload(model: str, sequence: str | int) -> Workload:
    """A model of the paper at a sequence length (a name of `SEQUENCES`, or any number), B = 64, M = P, E = F.

    Raises:
        InputError: no such model or sequence length.
    """
    if model not in MODELS:
        raise InputError(f"no model {model!r}", accepted=", ".join(MODELS))
    if isinstance(sequence, str) and sequence not in SEQUENCES:
        raise InputError(f"no sequence length {sequence!r}", accepted=", ".join(SEQUENCES))
    length = SEQUENCES[sequence] if isinstance(sequence, str) else sequence
    sizes = MODELS[model]
    return Workload(BATCH, sizes["h"], sizes["e"], sizes["e"], length, length, sizes["d"], sizes["s"])


def linear_share(work: Workload) -> float:
    """Share of the linear layers in a layer's multiply-accumulates (figure 1b)."""
    linear = 4 * work.d * work.e * work.h + 2 * work.d * work.s
    return linear / (linear + (work.e + work.f) * work.h * work.m)
