"""Play every player on every program and store the results that `penstock reproduce mallocgame` reads.

    python benchmarks/memory_map/run.py [PROGRAM …]

With programs named, only theirs are replaced.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from penstock.progress import bar
from penstock.reproduce.mallocgame import STORED, Played, play_all, to_json

PLACE = Path(__file__).resolve().parents[2] / "reproduce" / STORED


def main(only: list[str]) -> None:
    with bar() as progress:
        played = play_all(progress, only)
    if only and PLACE.is_file():
        kept = [Played(**each) for each in json.loads(PLACE.read_text(encoding="utf-8"))["played"]]
        played = [each for each in kept if each.graph not in only] + played
    scratch = PLACE.with_suffix(".partial")
    scratch.write_text(json.dumps(to_json(played), separators=(",", ":")) + "\n", encoding="utf-8")
    scratch.replace(PLACE)
    print(f"{len(played)} plans in {PLACE}")


if __name__ == "__main__":
    main(sys.argv[1:])
