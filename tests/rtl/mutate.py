"""Mutation run over the BitMoD RTL: small edits of every module, each of which some test bench must notice.

    python tests/rtl/mutate.py -o docs/rtl/mutation.md

Mutants are drawn by a seed, so many a module, of every kind: an operator for another, a constant off by one,
a condition turned round, a slice or a cast a bit short, a reset value wrong or left out, an assignment left
out, an input inverted. Casts of constants, casts that only add bits and signals named unused are left
alone. All mutants are compiled
into each bench's model at once; a run chooses one. A mutant that does not elaborate is invalid and does not
count. The others go through the benches until one notices: a result that is not the oracle's, an assertion, a
cycle count that is not the model's, a register that does not hold its reset value, or no end.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cast_widths
import mutants
from bench import HARNESS, Bench, Job, design_texts
from benches import BENCHES
from mutants import Edit
from mutation_command import carry_out, parser
from mutation_report import Verdict, report

from penstock.ir.errors import InputError, PenstockError
from penstock.sim.rtl.verilator import Toolchain, build

EQUIVALENT = Path(__file__).parent / "mutants_equivalent.toml"
UNUSED = (
    *("fp32_div.sv", "fp32_exp_pkg.sv", "bitmod_body.sv"),
    *("fp16_to_fp32.sv", "fp32_to_fp16.sv", "delay_line.sv"),
)
"""Blocks that the BitMoD accelerator does not use."""
UNUSED_FUNCTIONS = ("larger", "split")
"""Functions of fp32_pkg that it does not use."""
ORDER = (
    *("units", "elements", "linear", "thin", "tiled", "wide", "odd"),
    *("accel", "narrow", "dma16", "dma1", "dma256"),
)
ACCEL = ("accel", "narrow")
DMA = ("dma16", "dma1", "dma256", "accel", "narrow")
KEEP_FUNCTION = re.compile(r"/\*\s*verilator no_inline_task\s*\*/|//\s*verilator no_inline_task")
FUNCTIONS = ("fp32_pkg.sv", "bitmod_step_pkg.sv")
"""Packages of functions: their mutants are compiled into the benches of units only."""
UNITS = ("units", "elements")
BENCHES_OF = {
    "fp32_pkg.sv": ("units",),
    "bitmod_step_pkg.sv": UNITS,
    "axi_read_dma.sv": DMA,
    "axi_write_dma.sv": DMA,
    "stream_fifo.sv": ("dma16", "dma1", "linear", "thin", "accel", "narrow"),
    **dict.fromkeys(("axi_read_mux.sv", "axi_lite_slave.sv", "bitmod_descriptor.sv"), ACCEL),
    **dict.fromkeys(("bitmod_scatter.sv", "bitmod_accel.sv", "bitmod_accel_control.sv"), ACCEL),
    "bitmod_accel_regs.sv": ACCEL,
    **dict.fromkeys(
        (
            *("bitmod_activation_buffer.sv", "bitmod_weight_buffer.sv", "bitmod_weight_bank.sv"),
            *("bitmod_sequencer.sv", "bitmod_linear.sv", "bitmod_array.sv", "bitmod_tile.sv"),
            *("bitmod_column.sv", "bitmod_merge.sv", "sram_1r1w.sv"),
        ),
        ("linear", "thin", "tiled", "wide", "odd", *ACCEL),
    ),
}
"""Benches that can notice a mutant of a file, cheapest first; `ORDER` where it is not named."""


def chosen(texts: dict[str, str], per_module: int | None, seed: int) -> list[Edit]:
    """The mutants of a run, file by file; all of them where ``per_module`` is None."""
    found = []
    adding = cast_widths.adding(
        {name: text for name, text in texts.items() if not name.endswith("_props.sv")},
        [(each.top, each.parameters) for each in BENCHES.values() if not each.harness]
        + [("bitmod_accel", BENCHES[name].parameters) for name in ACCEL],
    )
    for name, text in texts.items():
        if name in UNUSED or name.endswith("_props.sv"):
            continue
        edits = [
            edit
            for edit in mutants.edits(name, text)
            if not _in_unused_function(edit, text)
            and not (edit.kind == "width" and (name, edit.start, edit.end) in adding)
        ]
        found += edits if per_module is None else mutants.sample(edits, per_module, seed)
    return found


def _in_unused_function(edit: Edit, text: str) -> bool:
    head = text.rfind("function automatic", 0, edit.start)
    declared = text[head : text.find(";", head)] if head >= 0 else ""
    return any(f" {name}(" in declared for name in UNUSED_FUNCTIONS)


@dataclass(frozen=True)
class Top:
    """What all mutants are elaborated in."""

    module: str
    flags: tuple[str, ...] = ()


ACCELERATOR = Top("bitmod_accel", tuple(f"-G{k}={v}" for k, v in BENCHES["accel"].parameters.items()))


def refused(paths: Sequence[Path], top: Top = ACCELERATOR) -> str | None:
    """What Verilator says where it refuses the design made of these files."""
    lint = ["--lint-only", "-Wno-fatal", "-Wno-lint", "-Wno-style", "--no-timing", *top.flags]
    try:
        Toolchain.find().verilate([*lint, "--top-module", top.module, *map(str, paths)])
    except InputError as error:
        return str(error)
    return None


def invalid(edit: Edit, texts: dict[str, str], folder: Path, top: Top = ACCELERATOR) -> bool:
    """Whether the design with this mutant alone is refused."""
    path = folder / f"alone_{edit.file}"
    path.write_text(edit.applied(texts[edit.file]), encoding="utf-8")
    return bool(
        refused([path if name == edit.file else folder / name for name in texts if "_props" not in name], top)
    )


def elaborated(
    edits: Sequence[Edit], texts: dict[str, str], folder: Path, top: Top = ACCELERATOR
) -> tuple[list[Edit], list[Edit]]:
    """Valid mutants and invalid ones: those of a line that Verilator names are tried one by one."""
    left, bad = list(edits), []
    while said := refused(
        [path for path in write_schema(left, texts, folder) if "_props" not in path.name], top
    ):
        places = {(name, int(line)) for name, line in re.findall(r"%Error\S*: \S*/all_(\w+\.sv):(\d+)", said)}
        suspects = [edit for edit in left if (edit.file, edit.line) in places]
        found = [edit for edit in suspects if invalid(edit, texts, folder, top)]
        if not found:
            raise PenstockError(f"the design with all mutants does not elaborate:\n{said[:3000]}")
        bad += found
        left = [edit for edit in left if edit not in found]
    return left, bad


def write_schema(
    edits: Sequence[Edit], texts: dict[str, str], folder: Path, without: Sequence[str] = ()
) -> list[Path]:
    """The design with all mutants in it but those of some files; numbers from 1 in the order given."""
    folder.mkdir(exist_ok=True)
    numbered = dict(enumerate(edits, 1))
    paths = [folder / "mutant_pkg.sv"]
    paths[0].write_text(mutants.PACKAGE, encoding="utf-8")
    for name, text in texts.items():
        paths.append(folder / f"all_{name}")
        mine = {number: edit for number, edit in numbered.items() if edit.file == name}
        if mine and name not in without:
            # A function that is to stay one must not look at the mutant's number.
            text = KEEP_FUNCTION.sub("", mutants.schema(text, mine))
        paths[-1].write_text(text, encoding="utf-8")
    return paths


@dataclass(frozen=True)
class Ready:
    """A bench built with all mutants, and its jobs written."""

    bench: Bench
    executable: Path
    jobs: list[Job]

    def fault(self, number: int, folder: Path) -> str | None:
        """What the bench finds with this mutant awake (0: none)."""
        for job in self.jobs:
            mine = job
            if job.vectors is not None:
                out = folder / f"{job.arguments[-1].name}.{number}"
                mine = Job((*job.arguments[:-1], out), job.vectors)
            said = mine.fault(self.executable, (f"+mutant={number}",))
            if job.vectors is not None:
                mine.arguments[-1].unlink(missing_ok=True)
            if said is not None:
                return said
        return None


def prepare(bench: Bench, design: Sequence[Path], folder: Path) -> Ready:
    """Build a bench and check that with no mutant awake it finds nothing.

    Raises:
        PenstockError: it finds something.
    """
    work = folder / bench.name
    work.mkdir()
    sources = bench.sources(design, work)
    main = HARNESS / bench.main
    model = build(sources, bench.top, main, verilator_flags=bench.flags(), defines=bench.defines())
    ready = Ready(bench, model.executable, bench.jobs(work))
    if said := ready.fault(0, work):
        raise PenstockError(f"the design itself fails in bench {bench.name}: {said}")
    return ready


def declared(path: Path = EQUIVALENT) -> list[dict[str, str]]:
    """Mutants argued to change nothing: file, context (the source line), before, after, why."""
    return tomllib.loads(path.read_text(encoding="utf-8")).get("mutant", [])


def matches(entry: dict[str, str], edit: Edit) -> bool:
    """Whether a declaration is of this mutant; what it leaves out may be anything."""
    have = {
        "file": edit.file,
        "kind": edit.kind,
        "context": edit.context,
        "before": edit.before,
        "after": edit.after,
    }
    return all(" ".join(have[key].split()) == " ".join(entry[key].split()) for key in have if key in entry)


def judge(
    edits: Sequence[Edit], readies: dict[str, Ready], folder: Path, first: int = 1, progress=None
) -> list[Verdict]:
    """Run every mutant, numbered from ``first``, through its benches."""

    def one(pair: tuple[int, Edit]) -> Verdict:
        number, edit = pair
        for name in BENCHES_OF.get(edit.file, ORDER):
            if name in readies and (said := readies[name].fault(number, folder)):
                return Verdict(edit, "killed", name, said)
        return Verdict(edit, "survived")

    done = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for verdict in pool.map(one, enumerate(edits, first)):
            done.append(verdict)
            if progress:
                progress("mutants", len(done), len(edits))
    return done


def run(
    per_module: int | None,
    seed: int,
    only: Sequence[str] = (),
    benches: Sequence[str] = ORDER,
    progress=None,
) -> list[Verdict]:
    """A whole run, or one of the mutants whose description holds a text of ``only``.

    Raises:
        PenstockError: a declaration of an equivalent mutant matches none, or one that is killed.
    """
    texts = design_texts()
    drawn = chosen(texts, per_module, seed)
    edits = [edit for edit in drawn if not only or any(each in str(edit) for each in only)]
    with tempfile.TemporaryDirectory(prefix="penstock-mutants-") as scratch:
        folder = Path(scratch)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
        if progress:
            progress("elaborating", 0, None)
        left, bad = elaborated(edits, texts, folder)
        full = write_schema(left, texts, folder / "full")
        rest = write_schema(left, texts, folder / "rest", FUNCTIONS)
        readies = {}

        def ready_of(name: str) -> Ready:
            return prepare(BENCHES[name], full if name in UNITS else rest, folder)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for ready in pool.map(ready_of, benches):
                readies[ready.bench.name] = ready
                if progress:
                    progress(f"built {ready.bench.name}", len(readies), len(benches))
        verdicts = judge(left, readies, folder, progress=progress)
    return [*argued(verdicts, texts), *(Verdict(edit, "invalid") for edit in bad)]


def argued(verdicts: list[Verdict], texts: dict[str, str], path: Path = EQUIVALENT) -> list[Verdict]:
    """Survivors that are declared equivalent in a file, as such.

    Raises:
        PenstockError: a declaration matches no mutant, or one that is killed.
    """
    entries = declared(path)
    everything = [edit for name, text in texts.items() for edit in mutants.edits(name, text)]
    for entry in entries:
        if not any(matches(entry, edit) for edit in everything):
            raise PenstockError(f"{path.name} declares a mutant that does not exist: {entry}")
    out = []
    for verdict in verdicts:
        entry = next((entry for entry in entries if matches(entry, verdict.edit)), None)
        if entry and verdict.outcome == "killed":
            raise PenstockError(f"{path.name} declares a mutant that is killed: {verdict.edit}")
        out.append(Verdict(verdict.edit, "equivalent", said=entry["why"]) if entry else verdict)
    return out


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    words = parser(__doc__, 12)
    words.add_argument("-o", metavar="FILE", type=Path, help="write the report, Markdown")
    options = words.parse_args(arguments)
    began = time.monotonic()

    def keep(verdicts: list[Verdict]) -> None:
        if not options.o:
            return
        command = "python tests/rtl/mutate.py" + (" --all" if options.all else "")
        scratch = options.o.with_suffix(".tmp")
        about = " ".join((__doc__ or "").split("\n\n")[2].split())
        page = report(verdicts, about, command, time.monotonic() - began, ORDER)
        scratch.write_text(page + "\n", encoding="utf-8")
        scratch.replace(options.o)

    return carry_out(
        options, lambda count, progress: run(count, options.seed, options.only, progress=progress), keep
    )


if __name__ == "__main__":
    sys.exit(main())
