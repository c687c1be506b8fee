"""Play every player on every program and store the results that `penstock reproduce mallocgame` reads.

    python benchmarks/memory_map/run.py [PROGRAM …]

With programs named, only theirs are replaced. Each is stored as it is done.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from penstock.progress import bar
from penstock.reproduce.mallocgame import STORED, Played, play_all, to_json
from penstock.reproduce.mallocgame_graphs import names

PLACE = Path(__file__).resolve().parents[2] / "reproduce" / STORED


def main(only: list[str]) -> None:
    with bar() as progress:
        for name in only or names():
            played = play_all(progress, [name])
            store([each for each in known() if each.graph != name] + played)


def known() -> list[Played]:
    """What is stored, of programs as they are today."""
    if not PLACE.is_file():
        return []
    played = [Played(**each) for each in json.loads(PLACE.read_text(encoding="utf-8"))["played"]]
    return [each for each in played if each.graph in names()]


def store(played: list[Played]) -> None:
    order = names()
    played.sort(key=lambda each: order.index(each.graph))
    scratch = PLACE.with_suffix(".partial")
    scratch.write_text(json.dumps(to_json(played), separators=(",", ":")) + "\n", encoding="utf-8")
    scratch.replace(PLACE)
    print(f"{len(played)} plans in {PLACE}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
