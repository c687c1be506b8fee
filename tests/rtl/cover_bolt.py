"""Line and toggle coverage of parts of BOLT's RTL over their test benches, merged by source line.

    python tests/rtl/cover_bolt.py crypto -o docs/rtl/bolt_crypto_coverage.md

As cover.py, which does it for BitMoD. What cannot be covered is in bolt_coverage_waivers.toml, with reasons.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from cover import conclude, cover_bench, outputs, report
from coverage_points import Counts, merge, read_waivers, waived
from mutate_bolt import PARTS, Part

from penstock.ir.errors import PenstockError
from penstock.progress import Progress, bar

ABOUT = {
    "crypto": "the cryptographic units and the command front end of `rtl/bolt`",
    "storage": "the position map, loads, frames, pending lists, stash and merge of `rtl/bolt`",
    "core": "the scheduler, the value stage, the pages' DMA, faults and the top of `rtl/bolt`",
}
"""What a part is, for people."""
WAIVERS = Path(__file__).parent / "bolt_coverage_waivers.toml"
EXTRA = {"crypto": ("bolt_sbox_pkg.sv",)}
"""Files measured that are not mutated."""


def measured(name: str) -> list[str]:
    """The files of a part that count."""
    return [*PARTS[name].files, *EXTRA.get(name, ())]


def run(part: Part, files: Sequence[str], progress: Progress | None = None) -> Counts:
    """Coverage of all benches of a part together.

    Raises:
        PenstockError: one fails.
    """
    with tempfile.TemporaryDirectory(prefix="penstock-coverage-") as scratch:
        folder, design = Path(scratch), []
        for name, text in part.texts().items():
            design.append(folder / name)
            design[-1].write_text(text, encoding="utf-8")
        found = []
        for bench in part.benches:
            found.append(cover_bench(bench, design, folder, files))
            if progress:
                progress("benches", len(found), len(part.benches))
    return merge(found)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: 0 where both kinds reach 95 %, else 1."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("part", choices=list(PARTS), help="of the RTL")
    outputs(parser)
    options = parser.parse_args(arguments)
    part, began = PARTS[options.part], time.monotonic()
    try:
        with bar() as progress:
            counts = run(part, measured(options.part), progress)
        mine = [each for each in read_waivers(WAIVERS) if each.file in measured(options.part)]
        aside = waived(counts, mine, part.texts())
    except PenstockError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    command, seconds = f"python tests/rtl/cover_bolt.py {options.part}", time.monotonic() - began
    ran = [bench.name for bench in part.benches]
    about, texts = ABOUT[options.part], part.texts()
    return conclude(
        counts, aside, lambda: report(counts, aside, about, command, seconds, texts, ran), options
    )


if __name__ == "__main__":
    sys.exit(main())
