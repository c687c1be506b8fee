"""What a mutation run found: counts, and the page docs/rtl/mutation.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from mutants import Edit


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant: ``killed``, ``invalid``, ``equivalent`` (argued) or ``survived``."""

    edit: Edit
    outcome: str
    bench: str = ""
    said: str = ""


def summary(verdicts: Sequence[Verdict]) -> dict[str, float]:
    """Counts, and the part killed: of all valid mutants, and of those not argued to be equivalent."""
    count = Counter(verdict.outcome for verdict in verdicts)
    killed, survived, equivalent = count["killed"], count["survived"], count["equivalent"]
    valid = killed + survived + equivalent
    return {
        "mutants": len(verdicts),
        "invalid": count["invalid"],
        "valid": valid,
        "killed": killed,
        "equivalent": equivalent,
        "survived": survived,
        "killed_of_valid": killed / max(valid, 1),
        "killed_of_not_equivalent": killed / max(valid - equivalent, 1),
    }


def report(
    verdicts: Sequence[Verdict], about: str, command: str, seconds: float, order: Sequence[str]
) -> str:
    """The page docs/rtl/mutation.md; ``order`` is that of the benches."""
    total = summary(verdicts)
    made = f"Made by `{command}` in {seconds:.0f} s, where models built before are not built again."
    lines = ["# Mutation", "", made, ""]
    lines += [about, ""]
    lines += [
        f"**{total['killed']} of {total['valid']} valid mutants are killed: "
        f"{100 * total['killed_of_valid']:.1f} %;** "
        f"without the {total['equivalent']} argued to change nothing, "
        f"{100 * total['killed_of_not_equivalent']:.1f} %. {total['survived']} survive; "
        f"{total['invalid']} more do not elaborate.",
        "",
        *_table("module", verdicts, lambda verdict: verdict.edit.file.removesuffix(".sv")),
        *_table("kind", verdicts, lambda verdict: verdict.edit.kind),
        *_noticed(verdicts, order),
    ]
    for outcome, title in (("survived", "Survivors"), ("equivalent", "Argued to change nothing")):
        mine = [verdict for verdict in verdicts if verdict.outcome == outcome]
        if mine:
            lines += (
                [f"## {title}", "", "| mutant | why |", "|---|---|"]
                if outcome == "equivalent"
                else [f"## {title}", "", "| mutant |", "|---|"]
            )
            lines += [
                f"| {_cell(verdict.edit)} | {verdict.said} |"
                if outcome == "equivalent"
                else f"| {_cell(verdict.edit)} |"
                for verdict in mine
            ]
            lines.append("")
    return "\n".join(lines)


def _cell(edit: Edit) -> str:
    return str(edit).replace("|", "\\|")


def _table(title: str, verdicts: Sequence[Verdict], key) -> list[str]:
    lines = [f"| {title} | valid | killed | equivalent | survived |", "|---|---|---|---|---|"]
    for name in sorted({key(verdict) for verdict in verdicts}):
        total = summary([verdict for verdict in verdicts if key(verdict) == name])
        cells = (total[column] for column in ("valid", "killed", "equivalent", "survived"))
        lines.append(f"| {name} | {' | '.join(map(str, cells))} |")
    return [*lines, ""]


def _noticed(verdicts: Sequence[Verdict], order: Sequence[str]) -> list[str]:
    count = Counter(verdict.bench for verdict in verdicts if verdict.outcome == "killed")
    shown = ", ".join(f"{name} {count[name]}" for name in order if count[name])
    return [f"First noticed by: {shown}.", ""]
