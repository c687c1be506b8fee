"""Which of the simulator's oddities hold: all for the published figures, none for the corrected ones."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rules:
    """Switches of the model.

    Attributes:
        attention_as_linear: attention as the simulator had it: over all heads at once with the hidden size
            (or the whole context) reduced, 16 bits in DRAM, steps and buffer writes of the weights' width.
            Off: every key-value head is a matrix product of its own, at the width of K and V throughout.
        selector_is_free: the bits that say which special value a group has are not counted.
        half_ports: a bit-serial array's operands are read once a tile through ports of half their width, of
            the stored bits rounded up to 4. Off: as often as it takes, ports sized by the element's bits.
    """

    attention_as_linear: bool = False
    selector_is_free: bool = False
    half_ports: bool = False


PUBLISHED = Rules(attention_as_linear=True, selector_is_free=True, half_ports=True)
"""As figures 7 and 8 were computed."""

CORRECTED = Rules()
"""Without the oddities."""
