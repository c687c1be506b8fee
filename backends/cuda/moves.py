"""A launch list's copies from the host as ``tier`` operations, for the verifier of memory maps.

A weight that is brought is an argument that lies in the host's memory; its copy has a place in the window, is
waited for before its first reader and dropped behind its last. Steps are functions without bodies. The
verifier knows nothing of streams: it holds the order of the list to what the dialect says, `lanes.check` the
streams.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ...ir.module import parse_module
from ...ir.steps import UPSTREAM
from ...ir.tier_moves import FLOAT_BYTES, FRAMES, LIES, Room, verify_moves
from .plan import ALIGNMENT, Step

DEVICE, HOST = "hbm", "host"
TOKEN = "!tier.token"


def tier_text(name: str, steps: Sequence[Step], window: tuple[int, int]) -> str:
    """The copies of an entry, and the steps that read what they bring, as a verified module's text.

    Args:
        name: of the entry.
        steps: its list.
        window: first byte and size.

    Raises:
        PlanError: the verifier refuses it: a copy over what is still read, or read before it was waited for.
    """
    text = _Writer(name, steps, *window).text()
    rooms = {DEVICE: Room(window[1], ALIGNMENT), HOST: Room(None, 1)}
    verify_moves(parse_module(text, where=f"the copies of {name}"), rooms, DEVICE)
    return text


@dataclass
class _Writer:
    name: str
    steps: Sequence[Step]
    start: int
    size: int
    lines: list[str] = field(default_factory=list)
    functions: dict[tuple[str, tuple[int, ...]], str] = field(default_factory=dict)
    sizes: dict[int, int] = field(default_factory=dict)
    there: dict[int, int] = field(default_factory=dict)

    def text(self) -> str:
        last = self._last()
        waiting: set[int] = set()
        for number, step in enumerate(self.steps):
            if step.kind == "fetch":
                self._copy(number, step)
                waiting.add(number)
            elif step.far:
                read = list(dict.fromkeys(self.there[weight] for weight in step.far.values()))
                self.lines += [f'"tier.wait"(%t{at}) : ({TOKEN}) -> ()' for at in read if at in waiting]
                waiting -= set(read)
                self._call(step, read)
                self.lines += [
                    f'"tier.drop"(%p{at}) : ({self._kind(at)}) -> ()' for at in read if last[at] == number
                ]
        return self._module()

    def _last(self) -> dict[int, int]:
        """Each copy's last reader."""
        found, there = dict[int, int](), dict[int, int]()
        for number, step in enumerate(self.steps):
            if step.kind == "fetch":
                there[step.places["far"]] = number
            found |= {there[weight]: number for weight in step.far.values()}
        return found

    def _kind(self, at: int) -> str:
        return f"tensor<{self.steps[at].bytes}xi8>"

    def _copy(self, number: int, step: Step) -> None:
        weight, kind = step.places["far"], self._kind(number)
        self.sizes[weight], self.there[weight] = step.bytes, number
        offset = step.places["to"] - self.start
        facts = f'{{bytes = {step.bytes} : i64, offset = {offset} : i64, tier = "{DEVICE}"}}'
        kinds = f"({kind}) -> ({kind}, {TOKEN})"
        self.lines += [
            f'%c{number}, %t{number} = "tier.copy"(%w{weight}) {{to = "{DEVICE}"}} : {kinds}',
            f'%p{number} = "tier.alloc"(%c{number}) {facts} : ({kind}) -> {kind}',
        ]

    def _call(self, step: Step, read: Sequence[int]) -> None:
        key = step.name, tuple(self.steps[at].bytes for at in read)
        taken = set(self.functions.values())
        name = self.functions.get(key) or _free(step.name, taken)
        self.functions[key] = name
        kinds = ", ".join(self._kind(at) for at in read)
        self.lines.append(f'func.call @"{name}"({", ".join(f"%p{at}" for at in read)}) : ({kinds}) -> ()')

    def _module(self) -> str:
        given = (
            f'%w{at}: tensor<{size}xi8> {{{LIES} = "{HOST}"}}' for at, size in sorted(self.sizes.items())
        )
        facts = f"{FRAMES} = {{{DEVICE} = {self.size} : i64, {HOST} = 0 : i64}}, {FLOAT_BYTES} = 4 : i64"
        head = f'func.func @"{self.name}"({", ".join(given)}) attributes {{{facts}}} {{'
        parts = ["module {", head, *(f"  {line}" for line in [*self.lines, "return"]), "}"]
        for (_, sizes), name in self.functions.items():
            arguments = ", ".join(f"%a{at}: tensor<{size}xi8>" for at, size in enumerate(sizes))
            parts.append(f'func.func private @"{name}"({arguments}) attributes {{{UPSTREAM}}} {{ return }}')
        return "\n".join([*parts, "}", ""])


def _free(name: str, taken: set[str]) -> str:
    number = 1
    while (found := name if number == 1 else f"{name} {number}") in taken:
        number += 1
    return found
