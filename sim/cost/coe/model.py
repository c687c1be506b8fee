"""Sizes of an expert, and what a cache of experts does without running it (SN40L, sections V and VI-C)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ....ir.errors import InputError
from ..bitmod_paper.llm import llm

ELEMENT_BYTES = 2
"""bfloat16: what the paper runs in."""


@dataclass(frozen=True)
class Expert:
    """A model to be switched to.

    Attributes:
        name: whose sizes these are.
        weight_bytes: what is copied when it becomes active, and never written.
        kv_bytes_per_token: of keys and values of all layers.
        writable_bytes: state kept in the expert's own segments; copied in with the weights, and back when
            an expert that has run is evicted.
    """

    name: str
    weight_bytes: int
    kv_bytes_per_token: int = 0
    writable_bytes: int = 0

    def __post_init__(self) -> None:
        if self.weight_bytes <= 0 or self.kv_bytes_per_token < 0 or self.writable_bytes < 0:
            raise InputError("an expert without weights, or negative bytes", where=self.name)

    @property
    def bytes(self) -> int:
        """All that is copied near."""
        return self.weight_bytes + self.writable_bytes

    def kv_bytes(self, prompts: int, positions: int) -> int:
        """Keys and values of some prompts."""
        return prompts * positions * self.kv_bytes_per_token

    def token_s(self, near_bytes_per_s: float, kv_bytes: int = 0, share: float = 1.0) -> float:
        """Seconds to generate a token: weights and cache are read once, at a share of the bandwidth."""
        return (self.weight_bytes + kv_bytes) / (near_bytes_per_s * share)


def expert_of(name: str) -> Expert:
    """A model of the Llama family as an expert in bfloat16: untied embeddings, two norms a layer and one.

    Raises:
        InputError: no such model.
    """
    found = llm(name)
    layer = sum(rows * columns for rows, columns in found.linears.values()) + 2 * found.hidden
    parameters = found.layers * layer + 2 * found.vocabulary * found.hidden + found.hidden
    kv = 2 * found.layers * found.kv_heads * found.head_size
    return Expert(name, ELEMENT_BYTES * parameters, ELEMENT_BYTES * kv)


def nodes_needed(experts: int, resident: int) -> int:
    """Machines that hold all experts in their near memories.

    Raises:
        InputError: a machine holds none.
    """
    if resident < 1:
        raise InputError("a machine that holds no expert", accepted="room for one or more")
    return math.ceil(experts / resident)


def distinct_experts(experts: int, batch: int) -> float:
    """Expected number of different experts in a batch of uniform, independent requests."""
    return experts * -math.expm1(batch * math.log1p(-1 / experts)) if experts > 1 else float(batch > 0)


def popularity(experts: int, exponent: float = 0.0) -> np.ndarray:
    """Probability of a request for each expert, the k-th in proportion to 1/k^exponent; 0 is uniform.

    Raises:
        InputError: no experts, or an exponent that is negative or not finite.
    """
    if experts < 1 or not (math.isfinite(exponent) and exponent >= 0):
        raise InputError(
            f"{experts} experts, Zipf exponent {exponent}", accepted="an expert or more, an exponent from 0"
        )
    weight = np.arange(1, experts + 1, dtype=np.float64) ** -exponent
    return weight / weight.sum()


def hit_rate(probability: np.ndarray, resident: int) -> float:
    """Share of independent requests that find their expert near, the least recently used evicted.

    Uniform requests hit in resident/experts exactly. For others it is Che, Tung and Wang's approximation
    (IEEE JSAC 20(7), 2002): an expert is near while its last request is younger than a time at which as many
    experts as fit are expected to have been asked for.
    """
    if resident <= 0:
        return 0.0
    if resident >= len(probability):
        return 1.0
    if np.all(probability == probability[0]):
        return resident / len(probability)
    low, high = 0.0, float(resident)
    while _asked_for(probability, high) < resident:
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if _asked_for(probability, middle) < resident else (low, middle)
    return float(np.sum(probability * -np.expm1(-probability * high)))


def _asked_for(probability: np.ndarray, requests: float) -> float:
    """Expected number of experts with a request among the latest so many."""
    return float(np.sum(-np.expm1(-probability * requests)))
