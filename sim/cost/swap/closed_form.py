"""The swapped fraction in closed form (MEMO, section 4.1).

The paper maximises alpha subject to ``(always + alpha·token) / B <= T`` and
``(n − 2)·(always + alpha·token) <= M``; one variable, so it is the smaller of two ratios, clipped.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ....ir.errors import PlanError
from ....ir.swap_plan import BUFFERS


@dataclass(frozen=True)
class LayerCost:
    """One layer on one rank.

    Attributes:
        always_bytes: of what is swapped whole.
        token_bytes: of what is split by tokens.
        forward_s, backward_s: of the layer.
        recompute_s: of recomputing all that is split.

    Raises:
        PlanError: a figure that is negative or not finite.
    """

    always_bytes: float
    token_bytes: float
    forward_s: float
    backward_s: float
    recompute_s: float

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not math.isfinite(value) or value < 0:
                raise PlanError(f"{name} is {value}", accepted="a finite number, zero or more")

    def swapped_bytes(self, alpha: float) -> float:
        """Copied to the host, and back."""
        return self.always_bytes + alpha * self.token_bytes


@dataclass(frozen=True)
class Alpha:
    """The fraction, and what bounds it.

    Attributes:
        value: the fraction.
        link: largest that hides behind a layer's compute; below 0 where not even ``always`` does.
        host: largest that fits on the host; infinite where nothing is swapped.
    """

    value: float
    link: float
    host: float

    @property
    def hidden(self) -> bool:
        """Whether all copies hide behind compute."""
        return self.link >= 0

    @property
    def limits(self) -> str:
        """What keeps it from being larger: ``link``, ``host``, or ``compute`` where it is 1."""
        if self.value >= 1:
            return "compute"
        return "link" if self.link <= self.host else "host"


def best_alpha(layer: LayerCost, layers: int, bytes_per_s: float, host_bytes: float) -> Alpha:
    """The largest fraction under both constraints, 0 where copies are not hidden at any.

    Args:
        layer: one of them.
        layers: how many there are; the last two are not swapped.
        bytes_per_s: of the link, with all ranks copying.
        host_bytes: of this rank.

    Raises:
        PlanError: not even what is swapped whole fits on the host, or a figure is not positive.
    """
    if layers < 1 or not bytes_per_s > 0 or not host_bytes >= 0:
        said = f"{layers} layers, {bytes_per_s} bytes/s, {host_bytes} bytes on the host"
        raise PlanError(said, accepted="at least one layer, a link, and no negative size")
    link = _ratio(layer.forward_s * bytes_per_s - layer.always_bytes, layer.token_bytes)
    swapped = max(0, layers - BUFFERS)
    room = host_bytes / swapped if swapped else math.inf
    host = _ratio(room - layer.always_bytes, layer.token_bytes)
    if host < 0:
        raise PlanError(
            f"{layer.always_bytes:.0f} bytes of each of {swapped} layers do not fit in {host_bytes:.0f}",
            where="host memory",
            accepted="more host memory or GPUs, a shorter sequence, or recomputing everything",
        )
    return Alpha(min(1.0, max(0.0, min(link, host))), link, host)


def _ratio(room: float, size: float) -> float:
    if size == 0:
        return math.copysign(math.inf, room)
    return room / size
