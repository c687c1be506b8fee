"""The points of BitMoD's figures 7 and 8: six models, five designs, reading a prompt and generating."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ....ir.errors import InputError
from .design import Precision, design
from .llm import CONTEXT, LLMS, llm, matmuls
from .price import Cost, price_all
from .rules import PUBLISHED, Rules

SETTINGS: Mapping[str, int] = MappingProxyType({"disc": CONTEXT, "gen": 1})
"""Discriminative tasks read a prompt; generative ones also make tokens, one at a time → tokens of a pass."""

GENERATED_TOKENS = 20
"""Tokens of a generative task, as figures 7 and 8 were computed."""

TARGETS: Mapping[str, str] = MappingProxyType(
    {
        "fp16": "fp16-paper",
        "ll": "bitmod-paper",
        "ant": "ant-paper",
        "olive": "olive-paper",
        "ly": "bitmod-paper",
    }
)
"""Design → its target; generating tokens it is ``-gen``, the same elements as a taller array."""

DESIGNS = tuple(TARGETS)
"""FP16; BitMoD lossless (INT6); ANT and OliVe, lossy; BitMoD lossy (FP4 for prompts, FP3 for tokens)."""

_GEN_BITS: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "ant": dict(zip(LLMS, (5, 5, 5.25, 5, 5, 4.5), strict=True)),
        "olive": dict(zip(LLMS, (3.875, 4, 4.25, 3.75, 3.75, 3.5), strict=True)),
    }
)
"""Mean widths at which the two generate with acceptable quality (section V-C), as in figure 7."""
_DISC_BITS: Mapping[str, float] = MappingProxyType({"ant": 5.5, "olive": 4.5})
BITMOD = {"scale_bits": 8, "kv_bits": 8}
"""A group's scale, and K and V, of BitMoD (sections III-C and IV-C)."""


def precision(setting: str, model: str, name: str) -> Precision:
    """The widths of a point.

    Raises:
        InputError: no such setting, model or design.
    """
    _check(setting, model, name)
    if name == "fp16":
        return Precision(16)
    if name == "ll":
        return Precision(6, **BITMOD)
    if name == "ly":
        return Precision(4 if setting == "disc" else 3, selector_bits=2, **BITMOD)
    return Precision(_DISC_BITS[name] if setting == "disc" else _GEN_BITS[name][model])


def figure(setting: str, model: str, name: str, rules: Rules = PUBLISHED) -> Cost:
    """A prompt of `CONTEXT` tokens (``disc``), or one token generated after it (``gen``).

    Raises:
        InputError: no such setting, model or design.
    """
    widths = precision(setting, model, name)
    target = TARGETS[name] + ("-gen" if setting == "gen" else "")
    work = matmuls(llm(model), tokens=SETTINGS[setting], rules=rules)
    return price_all(work, design(target), widths, rules)


def task(
    setting: str, model: str, name: str, rules: Rules = PUBLISHED, tokens: int = GENERATED_TOKENS
) -> Cost:
    """A whole task: the prompt, and when generating as many tokens after it."""
    prompt = figure("disc", model, name, rules)
    if setting == "disc":
        return prompt
    return prompt.plus(figure(setting, model, name, rules), tokens)


def speedup(
    setting: str, model: str, name: str, rules: Rules = PUBLISHED, tokens: int = GENERATED_TOKENS
) -> float:
    """Cycles of a task on FP16 over the design's (figure 7)."""
    fp16, ours = (task(setting, model, each, rules, tokens) for each in ("fp16", name))
    return fp16.cycles / ours.cycles


def energy_ratio(
    setting: str, model: str, name: str, rules: Rules = PUBLISHED, tokens: int = GENERATED_TOKENS
) -> float:
    """Energy of a task over that on FP16 (figure 8)."""
    fp16, ours = (task(setting, model, each, rules, tokens) for each in ("fp16", name))
    return ours.energy_j / fp16.energy_j


def _check(setting: str, model: str, name: str) -> None:
    for value, known, what in (
        (setting, SETTINGS, "setting"),
        (model, LLMS, "model"),
        (name, DESIGNS, "design"),
    ):
        if value not in known:
            raise InputError(f"no {what} {value!r}", accepted=", ".join(known))
