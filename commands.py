"""What each command does: call ``api``, and say the result once for people and once for programs."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .ir.errors import InputError
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

if TYPE_CHECKING:
    import numpy as np


NOT_BUILT = {
    "explore": "design-space sweeps",
}
"""Commands whose arguments are settled and whose work is not written yet → what is missing."""


def arrays(path: str) -> dict[str, np.ndarray]:
    """The arrays of an ``.npz`` file by name.

    Raises:
        InputError: the file is no ``.npz`` archive of plain arrays.
    """
    import zipfile

    import numpy as np

    try:
        loaded = np.load(path, allow_pickle=False)
        if not isinstance(loaded, np.ndarray):
            with loaded as archive:
                return {name: archive[name] for name in archive.files}
    except (zipfile.BadZipFile, ValueError, EOFError):
        pass
    raise InputError("not an .npz archive of plain arrays", where=path, accepted="what numpy.savez writes")


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
    if args.emit == "mlir" and not (args.out or args.verify) and load(args.target).backend == "cpu":
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


def run_bundle(args: argparse.Namespace) -> Outcome:
    """``penstock run``."""
    import numpy as np

    from . import api
    from .profiling import by_kernel, profile

    if args.generate is not None:
        return generated(args)
    if args.prompt is not None or args.prompt_length is not None or args.temperature:
        raise InputError("a prompt or a temperature for a single run", accepted="--generate N with them")
    bundle = api.load(args.bundle)
    inputs = arrays(args.input) if args.input else bundle.example_inputs(seed=args.seed)
    start = time.perf_counter()
    outputs = dict(bundle.run(inputs, threads=args.threads))
    seconds = time.perf_counter() - start
    if args.out:
        with open(args.out, "wb") as file:
            np.savez(file, allow_pickle=False, **outputs)
    rows = [
        {
            "output": name,
            "shape": "×".join(map(str, array.shape)),
            "type": str(array.dtype),
            "min": float(array.min()),
            "mean": float(array.mean()),
            "max": float(array.max()),
        }
        for name, array in outputs.items()
    ]
    said = [listing(rows), f"loaded and ran in {seconds * 1e3:.1f} ms"]
    data: dict[str, Any] = {"outputs": rows, "seconds": seconds, "written": args.out}
    answered = bundle.program().rows
    if answered is not None:
        data["oblivious"] = counted = answered.counters()
        said.append(listing([counted]))
    if args.profile:
        data["profile"] = profile(bundle, inputs, args.threads)
        data["kernels"] = by_kernel(bundle, data["profile"])
        said.append(listing(data["kernels"]))
    return Outcome(data, "\n".join(said))


def generated(args: argparse.Namespace) -> Outcome:
    """``penstock run --generate``."""
    import numpy as np

    from . import api

    if args.profile or args.input or (args.prompt and args.prompt_length):
        raise InputError(
            "--generate with --profile or --input, or with two prompts",
            accepted="--generate N, with --prompt IDS or --prompt-length P",
        )
    prompt: list[int] | int = args.prompt or args.prompt_length or 8
    with bar() as progress:
        made = api.load(args.bundle).generate(
            prompt, args.generate, args.temperature, args.seed, args.threads, progress
        )
    if args.out:
        with open(args.out, "wb") as file:
            arrays = {"tokens": np.array(made.tokens)} if made.hidden is None else {"hidden": made.hidden}
            np.savez(file, allow_pickle=False, **arrays)
    rate = made.tokens_per_s
    data = {
        "tokens": list(made.tokens),
        "prompt_tokens": made.prompt,
        "prefill_seconds": made.prefill_s,
        "step_seconds": list(made.step_s),
        "tokens_per_second": rate,
        "written": args.out,
    }
    said = [" ".join(map(str, made.tokens))] if made.tokens else []
    said.append(f"prompt: {made.prompt} tokens in {made.prefill_s * 1e3:.1f} ms")
    if made.step_s:
        said.append(f"decode: {len(made.step_s)} steps, median {1e3 / rate:.3f} ms, {rate:.1f} tokens/s")
    return Outcome(data, "\n".join(said))


def verify_bundle(args: argparse.Namespace) -> Outcome:
    """``penstock verify``."""
    from . import api

    with bar() as progress:
        report = api.load(args.bundle).verify(lengths=args.lengths, seed=args.seed, progress=progress)
    return Outcome(report.to_json(), report.text(), ok=report.ok)


def simulate_bundle(args: argparse.Namespace) -> Outcome:
    """``penstock simulate``."""
    from . import api

    inputs = arrays(args.inputs) if args.inputs else None
    with bar() as progress:
        result = api.load(args.bundle).simulate(
            design=args.design,
            driver=args.driver,
            trace=args.trace,
            trace_window=args.trace_window,
            max_cycles=args.max_cycles,
            memory_latency=args.memory_latency,
            inputs=inputs,
            progress=progress,
        )
    return Outcome(result.to_json(), result.text(), ok=result.ok)


def report_bundles(args: argparse.Namespace) -> Outcome:
    """``penstock report``."""
    from . import api

    with bar() as progress:
        report = api.report(args.bundle, out=args.out, progress=progress)
    return Outcome(report.to_json(), report.text())


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
        Path(args.out).write_text(text, encoding="utf-8")
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


def serve_experts(args: argparse.Namespace) -> Outcome:
    """``penstock serve``."""
    if args.bundle.startswith("rtl:"):
        return _serve_on_rtl(args)
    if args.state or args.latency or args.ddr:
        told = "a bundle without them, or rtl:experts=N,width=W"
        raise InputError("--state, --ddr or --latency", where=args.bundle, accepted=told)
    from .serving import serve

    with bar() as progress:
        found = serve(
            args.bundle,
            args.slots,
            ahead=args.ahead,
            batch=args.batch,
            batches=args.batches,
            requests=args.requests,
            threads=args.threads,
            seed=args.seed,
            progress=progress,
        )
    said = [f"{found.experts} experts, {found.slots} slots", table(("", "measured", "model"), found.rows())]
    if found.expected_hit_rate is not None:
        said.append(f"hits expected of independent requests: {found.expected_hit_rate:.4g}")
    if not found.ok:
        said.append("runtime and model count differently")
    return Outcome(found.to_json(), "\n".join(said), ok=found.ok)


def _serve_on_rtl(args: argparse.Namespace) -> Outcome:
    if args.threads is not None:
        raise InputError("--threads", where=args.bundle, accepted="a bundle: the RTL is simulated by one")
    from .serving_rtl import DDR_RATE, serve_rtl

    with bar() as progress:
        found = serve_rtl(
            args.bundle,
            args.slots,
            ahead=args.ahead,
            batch=args.batch,
            batches=args.batches,
            requests=args.requests,
            seed=args.seed,
            state=args.state,
            ddr=args.ddr or DDR_RATE,
            latency=args.latency,
            progress=progress,
        )
    title = f"{found.experts} experts, {found.slots} slots, on the simulated RTL"
    said = [title, table(("", "RTL", "model"), found.rows()), *found.findings()]
    return Outcome(found.to_json(), "\n".join(said), ok=found.ok)


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
