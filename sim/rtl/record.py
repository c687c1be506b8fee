"""``verilog/sim.json``: the RTL runs of a bundle, the last one of every layer and driver."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ...ir.errors import BundleError
from ...ir.files import write_text
from .compare import SimResult
from .designs import KINDS

SCHEMA = 3


def runs_to_json(runs: Iterable[SimResult]) -> dict[str, Any]:
    """The file's JSON object."""
    return {"schema": SCHEMA, "runs": [run.to_json() for run in runs]}


def runs_from_json(data: Mapping[str, Any], where: str = "verilog/sim.json") -> tuple[SimResult, ...]:
    """The runs that `runs_to_json` wrote.

    Raises:
        BundleError: another schema, or keys that are missing or unknown.
    """
    if data.get("schema") != SCHEMA:
        raise BundleError(
            f"schema {data.get('schema')!r}", where=where, accepted=f"schema {SCHEMA}; simulate again"
        )
    try:
        return tuple(_run(run) for run in data["runs"])
    except (KeyError, TypeError, AttributeError) as error:
        raise BundleError(f"not simulation runs: {error}", where=where, accepted="simulate again") from error


def _run(data: Mapping[str, Any]) -> SimResult:
    fields = {key: value for key, value in data.items() if key not in ("ok", "design")}
    return KINDS[data["design"]].result.from_json(fields)


def record_run(path: Path, run: SimResult) -> None:
    """Put a run into the file, in the place of an earlier one of the same layer and driver.

    Runs of an older schema are left out, they cannot be held beside this one; and a file that is no JSON.
    """
    kept: tuple[SimResult, ...] = ()
    if path.is_file():
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError):
            data = {}
        kept = runs_from_json(data, str(path)) if data.get("schema") == SCHEMA else ()
    others = [old for old in kept if (old.layer, old.driver) != (run.layer, run.driver)]
    write_text(path, json.dumps(runs_to_json([*others, run]), indent=1) + "\n")
