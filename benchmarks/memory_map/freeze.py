"""Write the memory-mapping benchmark's programs as JSON: every file, and the hashes of all.

    python benchmarks/memory_map/freeze.py

Programs from shapes and compiled models change only when this is run; tests compare what the code makes
today with the hashes.
"""

from __future__ import annotations

import json
from pathlib import Path

from penstock.reproduce.mallocgame_graphs import names, program

HERE = Path(__file__).resolve().parent


def main() -> None:
    hashes = {}
    for name in names():
        problem = program(name)
        hashes[name] = problem.sha256
        text = json.dumps(problem.to_json(), separators=(",", ":"))
        (HERE / f"{name}.json").write_text(text + "\n", encoding="utf-8")
        print(f"{name}: {len(problem.instructions)} instructions, {len(problem.accesses)} accesses")
    (HERE / "hashes.json").write_text(json.dumps(hashes, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
