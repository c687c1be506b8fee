"""What benchmarks/accuracy_*.py share: a model's linear layers put into a weight format, and comparisons.

Weights are quantized, dequantized in float64 and put back as float32; activations stay float32, so what is
measured is the format and nothing of a kernel. Scales are stored as deployed: eight bits within a channel
(BitMoD, HPCA 2025, section III-C), or the format's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from penstock.passes.quantize.fake import fake_quantize
from penstock.passes.quantize.formats import FORMATS, lookup

FLOAT = "float32"
CLAIMS = (
    ("bitmod4", "int4-asym"),
    ("bitmod4", "fp4"),
    ("bitmod4", "mxfp4"),
    ("bitmod4", "olive4"),
    ("bitmod4", "nvfp4"),
    ("bitmod3", "int3-asym"),
    ("bitmod3", "fp3"),
    ("bitmod3", "mxfp3"),
    ("bitmod3", "olive3"),
)
"""Of which pairs it is said whether the first loses less; most are in the BitMoD paper, table VI."""

Row = dict[str, str | float]
Statistic = Callable[[NDArray[np.float64]], float]
"""From how often each sample was drawn, [samples], to a number."""


@dataclass(frozen=True)
class Stored:
    """What a model's quantized layers take and lose.

    Attributes:
        bits: per weight, codes and groups' metadata.
        error: squared error over squared weights, over all of them.
    """

    bits: float
    error: float


@dataclass(frozen=True)
class Verdict:
    """Whether one format did better than another.

    Attributes:
        better: the format said to be better.
        worse: the other.
        measure: what was compared; `gain` is by how much the first one did better, in its units.
        low: the gain's 2.5th percentile over resamples of the data.
        high: its 97.5th.
        share: of resamples in which the first did better.
    """

    better: str
    worse: str
    measure: str
    gain: float
    low: float
    high: float
    share: float

    @property
    def answer(self) -> str:
        """In words, at 95 % confidence."""
        if self.low > 0:
            return "yes"
        return "no, worse" if self.high < 0 else "not told apart"

    def __str__(self) -> str:
        interval = f"{self.gain:+.5f} [{self.low:+.5f}, {self.high:+.5f}]"
        pair = f"{self.better} > {self.worse}"
        return f"{pair:22} {self.measure:16} {self.answer:15} {interval}, {self.share:.1%} of resamples"


def matrices(module: nn.Module, *, embeddings: bool) -> dict[str, torch.Tensor]:
    """The weights of every linear layer, [outputs, inputs], and of embeddings if wanted, by module name."""
    kinds = (nn.Linear, nn.Embedding) if embeddings else (nn.Linear,)
    return {name: each.weight for name, each in module.named_modules() if isinstance(each, kinds)}


@contextmanager
def in_format(weights: Mapping[str, torch.Tensor], name: str) -> Iterator[Stored]:
    """The weights hold what the format leaves of them; afterwards they are what they were."""
    exact = {key: each.detach().clone() for key, each in weights.items()}
    bits = total = lost = energy = 0.0
    scale_bits = None if lookup(name).native_scale else 8
    try:
        for key, each in weights.items():
            matrix = exact[key].double().numpy()
            quantized = fake_quantize(exact[key].numpy(), name, scale_bits=scale_bits)
            values = quantized.dequantize()
            each.data.copy_(torch.from_numpy(values))
            bits += quantized.bits_per_weight * matrix.size
            total += matrix.size
            lost += float(np.square(values - matrix).sum())
            energy += float(np.square(matrix).sum())
        yield Stored(bits / total, lost / energy)
    finally:
        for key, each in weights.items():
            each.data.copy_(exact[key])


def chosen(names: str) -> list[str]:
    """The formats of a comma-separated list, all for an empty one.

    Raises:
        InputError: an unknown one.
    """
    return [lookup(name).name for name in names.split(",")] if names else list(FORMATS)


def draws(samples: int, resamples: int, seed: int) -> NDArray[np.float64]:
    """How often each sample is drawn in each bootstrap resample, [resamples, samples]."""
    generator = np.random.default_rng(seed)
    return generator.multinomial(samples, np.full(samples, 1 / samples), resamples).astype(np.float64)


def compare(
    pair: tuple[str, str], measure: str, statistics: Mapping[str, Statistic], counts: NDArray[np.float64]
) -> Verdict:
    """The paired bootstrap of one statistic (more is better) in two formats: same resamples for both."""
    first, second = (statistics[name] for name in pair)
    whole = np.ones(counts.shape[1])
    gains = np.array([first(count) - second(count) for count in counts])
    low, high = np.percentile(gains, (2.5, 97.5))
    gain = first(whole) - second(whole)
    return Verdict(*pair, measure, gain, float(low), float(high), float(np.mean(gains > 0)))


def claims(measured: Sequence[str]) -> list[tuple[str, str]]:
    """The claims of which both formats were measured."""
    return [pair for pair in CLAIMS if set(pair) <= set(measured)]


def as_json(rows: Sequence[Row], verdicts: Sequence[Verdict], **facts: object) -> dict[str, object]:
    """What ``--json`` prints."""
    return {
        **facts,
        "rows": list(rows),
        "verdicts": [{**asdict(each), "answer": each.answer} for each in verdicts],
    }


def show(rows: Sequence[Row], verdicts: Sequence[Verdict], forms: Mapping[str, str]) -> None:
    """Prints the table and the verdicts; `forms` has a format specification by column, in order."""
    widths = {
        name: max(len(name), *(len(format(row[name], form)) for row in rows)) for name, form in forms.items()
    }
    print("  ".join(f"{name:>{width}}" for name, width in widths.items()))
    for row in rows:
        print("  ".join(f"{format(row[name], forms[name]):>{width}}" for name, width in widths.items()))
    for verdict in verdicts:
        print(verdict)
