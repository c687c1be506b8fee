"""``zoo:NAME[,key=value…]``: the name of a model and its options, read strictly."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from ...ir.errors import InputError
from .table import COMPOSITION, Option, OptionValue, ZooEntry, entries

PREFIX = "zoo:"


def is_composition(spec: str) -> bool:
    """Whether a spec names the Composition of Experts, which is many models."""
    return spec.removeprefix(PREFIX).split(",")[0] == COMPOSITION.name and spec.startswith(PREFIX)


def parse_spec(spec: str) -> tuple[ZooEntry, dict[str, OptionValue]]:
    """The entry a spec names and all its options, those not given at their defaults.

    Raises:
        InputError: no such model or option, or a value the option does not take; says what is accepted.
    """
    if not spec.startswith(PREFIX):
        raise InputError(
            "this does not name a model of the zoo", where=spec, accepted="zoo:NAME[,key=value…]"
        )
    name, *settings = spec[len(PREFIX) :].split(",")
    if name == COMPOSITION.name:
        raise InputError(
            "a composition is many models and not one",
            where=spec,
            accepted="penstock compile to the CPU, and penstock serve",
        )
    return _options(_find(name), settings, spec)


def parse_composition(spec: str) -> dict[str, OptionValue]:
    """The options of a Composition of Experts; errors as for `parse_spec`."""
    return _options(COMPOSITION, spec.split(",")[1:], spec)[1]


def _options(entry: ZooEntry, settings: list[str], spec: str) -> tuple[ZooEntry, dict[str, OptionValue]]:
    options = entry.defaults
    given: set[str] = set()
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise InputError(f"option {setting!r} has no value", where=spec, accepted="key=value")
        if key not in entry.options:
            raise InputError(
                f"{entry.name} has no option {key!r}{_nearest(key, entry.options)}",
                where=spec,
                accepted=", ".join(entry.options),
            )
        if key in given:
            raise InputError(f"option {key!r} is given twice", where=spec, accepted="each option once")
        given.add(key)
        options[key] = _value(entry.options[key], text, f"{PREFIX}{entry.name},{key}")
    return entry, options


def _find(name: str) -> ZooEntry:
    by_name = {entry.name: entry for entry in entries()}
    if name not in by_name:
        raise InputError(
            f"the zoo has no model {name!r}{_nearest(name, by_name)}",
            where=PREFIX + name,
            accepted=", ".join(PREFIX + known for known in by_name),
        )
    return by_name[name]


def _value(option: Option, text: str, where: str) -> OptionValue:
    if isinstance(option.default, bool):
        if text in ("true", "false"):
            return text == "true"
    elif isinstance(option.default, int):
        low, high = option.limits
        if text.isascii() and text.isdigit() and low <= int(text) <= high:
            return int(text)
    elif text in option.choices:
        return text
    raise InputError(f"{text!r} is no value for this option", where=where, accepted=option.accepted)


def _nearest(word: str, known: Iterable[str]) -> str:
    match = get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean {match[0]!r}?" if match else ""
