"""The five configurations of the evaluation by name, attention alone and with the linear layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from .chip import Chip, chip
from .linear import linear
from .one_pass import architecture, binding, cascade
from .outcome import Figures, outcome
from .three_pass import flat, unfused
from .workload import Workload

__all__ = ["CONFIGURATIONS", "EINSUMS_2D", "Figures", "attention", "chip_of", "end_to_end"]

CONFIGURATIONS: Mapping[str, tuple[Callable[[Workload, Chip | None], Figures], str]] = MappingProxyType(
    {
        "unfused": (unfused, "flat-cloud"),
        "flat": (flat, "flat-cloud"),
        "cascade": (cascade, "flat-cloud"),
        "architecture": (architecture, "fusemax-cloud"),
        "binding": (binding, "fusemax-cloud"),
    }
)
"""Name → its closed forms and the chip it runs on."""

EINSUMS_2D = ("QK", "LM", "SLN", "SLD", "SLNV")
"""What figure 7 shows on the 2D array; SLNV stands for the three-pass cascade's AV too."""


def chip_of(configuration: str) -> Chip:
    """The chip a configuration runs on."""
    return chip(CONFIGURATIONS[configuration][1])


def attention(work: Workload, configuration: str) -> Figures:
    """Attention of a workload in a configuration (figures 6 to 9)."""
    return CONFIGURATIONS[configuration][0](work, chip_of(configuration))


def end_to_end(work: Workload, configuration: str) -> Figures:
    """Attention and linear layers, one after the other (figures 10 and 11)."""
    on = chip_of(configuration)
    own, rest = attention(work, configuration), linear(work, on)
    parts = (own, rest)
    cycles = {id(part): part.latency_s * on.clock_hz for part in parts}
    return outcome(
        on,
        own.latency_s + rest.latency_s,
        own.counts + rest.counts,
        busy_1d=sum(part.util_1d * cycles[id(part)] for part in parts),
        busy_2d={
            name: share * cycles[id(part)] for part in parts for name, share in part.einsum_util_2d.items()
        },
        p1=own.queries_per_tile,
    )
