"""Mutation run over the PCU, as mutate.py over BitMoD: small edits of modules that benches must notice.

    python tests/rtl/mutate_sn40l_pcu.py --per-module 24
    python tests/rtl/mutate_sn40l_pcu.py --body bitmod --all

With ``--body bitmod`` they are of `bitmod_body.sv`, the body of a PCU with a BitMoD array. All mutants are
compiled into each bench's model; a run chooses one. What is argued to change nothing is in
sn40l_pcu_equivalent.toml. Exit status 0 where at least 95 % of the others are killed.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cast_widths
import mutants
from bench import Bench
from mutants import Edit
from mutate import Ready, Top, argued, elaborated, prepare, write_schema
from mutation_command import carry_out, parser
from mutation_report import Verdict
from sn40l_pcu_bench import BENCHES, QUANTIZED, TOP, texts

from penstock.progress import Progress

EQUIVALENT = Path(__file__).parent / "sn40l_pcu_equivalent.toml"
OTHERS = ("sram_1r1w.sv", "stream_fifo.sv", "fp32_pkg.sv", "fp32_exp_pkg.sv", "credit_buf.sv", "sn40l_pkg.sv")
"""Files of others, with checks of their own."""
BODY = "bitmod_body.sv"


def chosen(design: dict[str, str], benches: Sequence[Bench], per_module: int | None, seed: int) -> list[Edit]:
    """The mutants of a run, file by file; all where ``per_module`` is None."""
    adding = cast_widths.adding(
        {name: text for name, text in design.items() if not name.endswith("_props.sv")},
        [(TOP, bench.parameters) for bench in benches],
    )
    found = []
    for name, text in design.items():
        if name in OTHERS or name.endswith("_props.sv") or (BODY in design and name != BODY):
            continue
        edits = [
            edit
            for edit in mutants.edits(name, text)
            if not (edit.kind == "width" and (name, edit.start, edit.end) in adding)
        ]
        found += edits if per_module is None else mutants.sample(edits, per_module, seed)
    return found


def run(
    per_module: int | None,
    seed: int,
    only: Sequence[str] = (),
    progress: Progress | None = None,
    *,
    bitmod: bool = False,
) -> list[Verdict]:
    """What becomes of the mutants: of the PCU, or of its BitMoD body.

    Raises:
        PenstockError: the design fails a bench, or a declaration is of no mutant or of a killed one.
    """
    design = texts("bitmod") if bitmod else texts()
    benches = [QUANTIZED] if bitmod else list(BENCHES.values())
    flags = tuple(f"-G{name}={value}" for name, value in QUANTIZED.parameters.items()) if bitmod else ()
    edits = [
        edit
        for edit in chosen(design, benches, per_module, seed)
        if not only or any(each in str(edit) for each in only)
    ]
    with tempfile.TemporaryDirectory(prefix="penstock-mutants-") as scratch:
        folder = Path(scratch)
        for name, text in design.items():
            (folder / name).write_text(text, encoding="utf-8")
        left, bad = elaborated(edits, design, folder, Top(TOP, flags))
        paths = write_schema(left, design, folder / "all")
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            readies = list(pool.map(lambda bench: prepare(bench, paths, folder), benches))
            verdicts = []
            for verdict in pool.map(lambda pair: _judged(pair[0], pair[1], readies), enumerate(left, 1)):
                verdicts.append(verdict)
                if progress:
                    progress("mutants", len(verdicts), len(left))
    return [*argued(verdicts, texts("bitmod"), EQUIVALENT), *(Verdict(edit, "invalid") for edit in bad)]


def _judged(number: int, edit: Edit, readies: Sequence[Ready]) -> Verdict:
    for ready in readies:
        if said := ready.fault(number, ready.executable.parent):
            return Verdict(edit, "killed", ready.bench.name, said)
    return Verdict(edit, "survived")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    words = parser(__doc__, 24)
    words.add_argument("--body", choices=("fp32", "bitmod"), default="fp32", help="of the PCU (default fp32)")
    options = words.parse_args(arguments)
    bitmod = options.body == "bitmod"
    return carry_out(
        options, lambda count, progress: run(count, options.seed, options.only, progress, bitmod=bitmod)
    )


if __name__ == "__main__":
    sys.exit(main())
