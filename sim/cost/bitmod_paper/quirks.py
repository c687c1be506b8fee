"""Where BitMoD's published figures are not what the hardware described would do, by name and effect."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Quirk:
    """One oddity: what it is, what it changes, and whether the corrected figures are without it."""

    name: str
    effect: str
    corrected: bool


QUIRKS = (
    Quirk(
        "attention_as_linear",
        "attention multiplies over all heads at once: for a prompt QK^T is charged as many times too much "
        "work as there are heads, AV 256 over the head size times; for a token QK^T is 256 / heads times too "
        "cheap, AV by the head size",
        True,
    ),
    Quirk(
        "attention_at_weight_width",
        "K and V are 16 bits in DRAM, but take the weights' width in the array and when written to the "
        "buffer; section IV-C has 8 bits on BitMoD",
        True,
    ),
    Quirk("selector_is_free", "the 2 bits that name a group's special value are not counted", True),
    Quirk(
        "half_ports",
        "a bit-serial array reads a tile once through ports of half its width: half its reads are free; and "
        "weights of 4.0625 bits get a port for 8",
        True,
    ),
    Quirk(
        "arithmetic_mean",
        "the bars called geometric mean are arithmetic means; headlines are ratios of the means of speedups",
        False,
    ),
    Quirk(
        "rounded_twice",
        "1.48 x over OliVe is the mean of the rounded 1.56 and 1.39; before rounding it is 1.472",
        False,
    ),
    Quirk(
        "energy_over_olive",
        "OliVe's energy over BitMoD's is printed as 1.31; their arrays give 1.323 (1.301 and 1.346)",
        False,
    ),
    Quirk(
        "twenty_tokens",
        "a generative task is 256 tokens read and 20 generated, not the 256 of section V-A; at 256 tokens LL "
        "would be 2.61 x FP16, LY 1.62 x ANT and 1.27 x OliVe",
        False,
    ),
    Quirk(
        "one_operation_a_cycle",
        "ANT's and OliVe's elements do one multiplication a cycle at any width, their weights 3.5 to 5.5 "
        "bits on average for acceptable quality: a sensitive baseline",
        False,
    ),
    Quirk("idle_columns", "for one token 1 of 16 columns works, and all are charged", False),
    Quirk("all_logits", "the output matrix is multiplied with every token of a prompt", False),
    Quirk("no_fill_or_drain", "nothing fills or drains, compute and DRAM overlap without loss", False),
)
