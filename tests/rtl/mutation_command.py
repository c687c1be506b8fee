"""The command of a mutation run: its options, what it prints, and its exit status."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable

from mutation_report import Verdict, summary

from penstock.ir.errors import PenstockError
from penstock.progress import Progress, bar

TARGET = 0.95
"""Of the mutants that are not argued to be equivalent, those that must be killed."""


def parser(about: str | None, per_module: int) -> argparse.ArgumentParser:
    """Options of every run; ``per_module`` is the default, ``about`` the script's docstring."""
    made = argparse.ArgumentParser(description=(about or "").partition("\n")[0])
    made.add_argument(
        "--per-module",
        type=int,
        default=per_module,
        help=f"mutants of a module at most (default {per_module})",
    )
    made.add_argument("--all", action="store_true", help="every mutant there is")
    made.add_argument("--seed", type=int, default=1, help="of the sample")
    made.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="TEXT",
        help="only mutants whose description holds this text, as bitmod_tile.sv or leading_one.sv:19",
    )
    made.add_argument("--json", action="store_true", help="figures as JSON")
    return made


def carry_out(
    options: argparse.Namespace,
    run: Callable[[int | None, Progress | None], list[Verdict]],
    keep: Callable[[list[Verdict]], None] | None = None,
) -> int:
    """Run, keep, and print; 0 where `TARGET` is met, 1 where not, 2 where the run itself failed.

    Args:
        options: of `parser`.
        run: takes mutants per module, None for all, and a progress bar.
        keep: what else becomes of the verdicts.
    """
    try:
        with bar() as progress:
            verdicts = run(None if options.all else options.per_module, progress)
    except PenstockError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if keep is not None:
        keep(verdicts)
    total = summary(verdicts)
    left = [str(verdict.edit) for verdict in verdicts if verdict.outcome == "survived"]
    if options.json:
        print(json.dumps({**total, "survivors": left}))
    else:
        for each in left:
            print(f"survived  {each}")
        print(", ".join(f"{name} {value:.4g}" for name, value in total.items()))
    return 0 if total["killed_of_not_equivalent"] >= TARGET else 1
