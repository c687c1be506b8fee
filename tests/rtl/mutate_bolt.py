"""Mutation run over a part of BOLT's RTL: small edits of modules that its benches must notice.

    python tests/rtl/mutate_bolt.py crypto --per-module 24

All mutants are compiled into each bench's model; a run chooses one. What is argued to change nothing is in
the part's *_equivalent.toml. Exit status 0 where at least 95 % of the others are killed.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import bolt_core_bench
import bolt_crypto_bench
import bolt_storage_bench
import cast_widths
import mutants
from bench import Bench
from mutants import Edit
from mutate import Ready, Top, argued, elaborated, prepare, write_schema
from mutation_command import carry_out, parser
from mutation_report import Verdict

from penstock.progress import Progress

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Part:
    """Files whose mutants are judged by some benches.

    Attributes:
        files: their names.
        texts: makes the whole design with its harness: file name → text.
        benches: which may notice, all of one top.
        scripts: file → names of the runs that can notice one of its mutants, first to last; all of
            them for a file that is not named.
        equivalent: the file of this folder with the mutants argued to change nothing.
    """

    files: tuple[str, ...]
    texts: Callable[[], dict[str, str]]
    benches: tuple[Bench, ...]
    scripts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    equivalent: str = "bolt_equivalent.toml"

    @property
    def top(self) -> Top:
        """What mutants are elaborated in."""
        return Top(self.benches[0].top, self.benches[0].flags())

    def edits(self, per_module: int | None, seed: int) -> list[Edit]:
        """The mutants of a run, file by file; all where ``per_module`` is None."""
        design = self.texts()
        plain = {name: text for name, text in design.items() if name.endswith(".sv") and "_props" not in name}
        adding = cast_widths.adding(plain, [(bench.top, bench.parameters) for bench in self.benches])
        found = []
        for name in self.files:
            edits = [
                edit
                for edit in mutants.edits(name, design[name])
                if not (edit.kind == "width" and (name, edit.start, edit.end) in adding)
            ]
            found += edits if per_module is None else mutants.sample(edits, per_module, seed)
        return found


PARTS = {
    "crypto": Part(
        # bolt_sbox_pkg makes a table at elaboration, of which every entry is compared.
        (
            *("bolt_aes_pkg.sv", "bolt_aes.sv", "bolt_ghash.sv", "bolt_aead.sv", "bolt_siphash.sv"),
            *("bolt_prf.sv", "bolt_drbg.sv", "bolt_pairs.sv"),
            *("bolt_cmd_rx.sv", "bolt_cmd_tx.sv", "bolt_cmd_fe.sv"),
        ),
        bolt_crypto_bench.texts,
        (bolt_crypto_bench.CRYPTO,),
        bolt_crypto_bench.NOTICED_BY,
    ),
    "storage": Part(
        bolt_storage_bench.FILES,
        bolt_storage_bench.texts,
        (bolt_storage_bench.STORAGE,),
        bolt_storage_bench.NOTICED_BY,
        "bolt_storage_equivalent.toml",
    ),
    "core": Part(
        bolt_core_bench.FILES,
        bolt_core_bench.texts,
        (bolt_core_bench.CORE,),
        equivalent="bolt_core_equivalent.toml",
    ),
}


def built(part: Part, edits: Sequence[Edit], folder: Path) -> tuple[list[Ready], list[Edit], list[Edit]]:
    """Benches with all mutants in them, the valid ones in the order of their numbers, and the others.

    Raises:
        PenstockError: the design does not elaborate, or fails a bench.
    """
    design = part.texts()
    for name, text in design.items():
        (folder / name).write_text(text, encoding="utf-8")
    left, bad = elaborated(edits, design, folder, part.top)
    paths = write_schema(left, design, folder / "all")
    return [prepare(bench, paths, folder) for bench in part.benches], left, bad


def judged(part: Part, number: int, edit: Edit, readies: Sequence[Ready]) -> Verdict:
    """What becomes of a mutant."""
    for ready in readies:
        order = part.scripts.get(edit.file)
        jobs = [job for job in ready.jobs if order is None or job.arguments[0].stem in order]
        for job in jobs:
            if said := job.fault(ready.executable, (f"+mutant={number}",)):
                return Verdict(edit, "killed", f"{ready.bench.name} {job.arguments[0].stem}", said)
    return Verdict(edit, "survived")


def run(
    part: Part,
    per_module: int | None,
    seed: int,
    only: Sequence[str] = (),
    progress: Progress | None = None,
) -> list[Verdict]:
    """What becomes of the mutants.

    Raises:
        PenstockError: the design fails a bench, or a declaration is of no mutant or of a killed one.
    """
    edits = [
        edit for edit in part.edits(per_module, seed) if not only or any(each in str(edit) for each in only)
    ]
    with tempfile.TemporaryDirectory(prefix="penstock-mutants-") as scratch:
        readies, left, bad = built(part, edits, Path(scratch))
        verdicts = []
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for verdict in pool.map(lambda pair: judged(part, pair[0], pair[1], readies), enumerate(left, 1)):
                verdicts.append(verdict)
                if progress:
                    progress("mutants", len(verdicts), len(left))
    return [
        *argued(verdicts, part.texts(), HERE / part.equivalent),
        *(Verdict(edit, "invalid") for edit in bad),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    words = parser(__doc__, 24)
    words.add_argument("part", choices=list(PARTS), help="of the RTL")
    options = words.parse_args(arguments)
    part = PARTS[options.part]
    return carry_out(options, lambda count, progress: run(part, count, options.seed, options.only, progress))


if __name__ == "__main__":
    sys.exit(main())
