"""What each command does: call ``api``, and say the result once for people and once for programs.

Commands on a bundle are in `bundle_commands`, the planners in `plan_commands`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .acceptance import check_emit
from .bundle_commands import report_bundles as report_bundles
from .bundle_commands import run_bundle as run_bundle
from .bundle_commands import serve_experts as serve_experts
from .bundle_commands import simulate_bundle as simulate_bundle
from .bundle_commands import verify_bundle as verify_bundle
from .ir.errors import InputError
from .ir.files import write_text
from .ir.targets import load
from .options import by_rank, one_extent_each
from .outcome import Outcome, listing, table
from .plan_commands import plan_bind as plan_bind
from .plan_commands import plan_map as plan_map
from .plan_commands import plan_nest as plan_nest
from .plan_commands import plan_offsets as plan_offsets
from .plan_commands import plan_sections as plan_sections
from .plan_commands import plan_swap as plan_swap
from .plan_commands import plan_tiers as plan_tiers
from .progress import bar

NOT_BUILT = {
    "explore": "design-space sweeps",
}
"""Commands whose arguments are settled and whose work is not written yet → what is missing."""


@contextmanager
def folder(args: argparse.Namespace) -> Iterator[str]:
    """Where a bundle goes: ``-o``, or a temporary place when only ``--emit``'s text is wanted."""
    if args.out:
        yield args.out
    elif args.emit:
        with tempfile.TemporaryDirectory(prefix="penstock-") as place:
            yield str(Path(place, "bundle"))
    else:
        raise InputError(
            "no place to write the bundle", where="penstock compile", accepted="-o DIR, or --emit KIND"
        )


def compile_model(args: argparse.Namespace) -> Outcome:
    """``penstock compile``."""
    shapes = by_rank(args.shape)
    target = load(args.target)
    check_emit(target, args.emit)
    alone = not (args.out or args.verify or args.layer or args.head is not None or args.tune)
    if args.emit == "mlir" and alone and target.backend == "cpu":
        return lowered(args, shapes)
    start = time.perf_counter()
    with folder(args) as out, bar() as progress:
        from . import api

        bundle = api.compile(
            args.model,
            target=args.target,
            out=out,
            shapes=shapes,
            dtype=args.dtype,
            quantize=args.quantize,
            precision=args.precision,
            private=args.private,
            pipeline=args.pipeline,
            layer=args.layer,
            head=args.head,
            tune=args.tune or False,
            nvcc=args.nvcc or False,
            seed=args.seed,
            progress=progress,
        )
        seconds = time.perf_counter() - start
        emitted = api.emit(bundle, args.emit) if args.emit else ""
        report = bundle.verify(seed=args.seed, progress=progress) if args.verify else None
    data: dict[str, Any] = {"target": args.target, "seconds": round(seconds, 3)}
    said = []
    if args.out:
        data |= {"bundle": args.out, "entries": sorted(bundle.manifest["entries"])}
        said.append(f"wrote {args.out} for {args.target} in {seconds:.1f} s")
    if args.emit:
        data["emit"] = {"kind": args.emit, "text": emitted}
        said = [emitted]
    if report is not None:
        data["verify"] = report.to_json()
        said.append(report.text())
    return Outcome(data, "\n".join(said), ok=report is None or report.ok)


def lowered(args: argparse.Namespace, shapes: dict[str, list[int]] | None) -> Outcome:
    """``penstock compile --emit mlir`` without a bundle: the passes alone, nothing is built."""
    from . import api

    with bar():
        text = api.lower(
            args.model,
            args.pipeline,
            shapes=shapes,
            dtype=args.dtype,
            quantize=args.quantize,
            precision=args.precision or "fp32",
            private=args.private,
            seed=args.seed,
        )
    return Outcome({"target": args.target, "emit": {"kind": "mlir", "text": text}}, text.rstrip("\n"))


def optimise(args: argparse.Namespace) -> Outcome:
    """``penstock opt``."""
    from . import api

    stages: list[dict[str, str]] = []

    def after(name: str, text: str) -> None:
        stages.append({"pass": name, "module": text})
        if not args.json:
            print(f"// ---- after {name} ----\n{text}", file=sys.stderr)

    text, timings = api.opt(
        args.file, args.pipeline, print_after_all=after if args.print_after_all else None, timing=args.timing
    )
    if args.timing and not args.json:
        print(table(("pass", "seconds"), ((name, round(took, 4)) for name, took in timings)), file=sys.stderr)
    if args.out:
        write_text(args.out, text)
    data: dict[str, Any] = {"module": text, "written": args.out}
    if args.timing:
        data["timing"] = [{"pass": name, "seconds": took} for name, took in timings]
    if args.print_after_all:
        data["stages"] = stages
    return Outcome(data, "" if args.out else text.rstrip("\n"))


def analyze_model(args: argparse.Namespace) -> Outcome:
    """``penstock analyze``."""
    from . import api

    with bar():
        report = api.analyze(
            args.model,
            target=args.target,
            buffer_bytes=args.buffer,
            shape=one_extent_each(args.shape),
            rank=args.rank,
            element_bytes=args.element_bytes,
        )
    return Outcome(report.to_json(), report.text())


def list_targets(args: argparse.Namespace) -> Outcome:
    """``penstock targets``."""
    from . import api

    targets = api.targets()
    data: dict[str, Any] = {"targets": targets}
    said = [listing(targets, without=("source",))]
    if args.measure:
        from .ir.targets import host

        cores = host.detect().cores
        data["measured_bandwidth_read_bytes_per_s"] = rate = host.measure_bandwidth_bytes_per_s(cores)
        said.append(f"main memory, read by {cores} threads: {rate / 1e9:.1f} GB/s")
    return Outcome(data, "\n".join(said))


def list_models(args: argparse.Namespace) -> Outcome:
    """``penstock models``."""
    from . import api

    models = api.models()
    return Outcome({"models": models}, listing(models))


def examine(args: argparse.Namespace) -> Outcome:
    """``penstock doctor``."""
    from . import doctor

    report = doctor.examine()
    return Outcome(report.to_json(), report.text(), ok=report.ok)


def price_model(args: argparse.Namespace) -> Outcome:
    """``penstock price``."""
    from . import api

    with bar():
        entries = api.price(args.model, args.target, args.weights)
    text = listing(entries, without=("pe_j", "sram_read_j", "sram_write_j", "dram_j"))
    return Outcome({"target": args.target, "weights": args.weights, "entries": entries}, text)


def reproduce_paper(args: argparse.Namespace) -> Outcome:
    """``penstock reproduce``."""
    from .reproduce import reproduce, write_page

    with bar() as progress:
        found = reproduce(args.paper, full=True, progress=progress) if args.full else reproduce(args.paper)
    data = dict(found.to_json())
    said = [f"{section.title}\n{table(section.columns, section.rows)}" for section in found.sections]
    if found.quirks:
        lines = [(quirk["name"], quirk["effect"]) for quirk in found.quirks]
        said.append("Oddities of the published figures\n" + table(("name", "effect"), lines))
    if found.missing:
        said.append("\n".join(["Not reproduced:", *(f"  {each}" for each in found.missing)]))
    if args.out:
        data["page"] = str(write_page(found, Path(args.out)))
        said.append(f"page: {data['page']}")
    return Outcome(data, "\n\n".join(said), ok=found.ok)


def not_built(args: argparse.Namespace) -> Outcome:
    """Commands whose arguments are settled and whose work is not written yet."""
    name = args.spec.name
    raise InputError(
        f"not built yet: {NOT_BUILT[name]}",
        where=f"penstock {name}",
        accepted="the commands of `penstock --help` that README.md lists as working",
    )
