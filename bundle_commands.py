"""What the commands on a compiled bundle do: run, verify, simulate, report, serve."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .ir.errors import InputError
from .ir.files import whole
from .outcome import Outcome, listing, table
from .progress import bar

if TYPE_CHECKING:
    import numpy as np


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


def write_arrays(path: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays by name as ``.npz``, whole or not at all."""
    import numpy as np

    with whole(path) as scratch, scratch.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def run_bundle(args: argparse.Namespace) -> Outcome:
    """``penstock run``."""

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
        write_arrays(args.out, outputs)
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
        write_arrays(
            args.out,
            {"tokens": np.array(made.tokens)} if made.hidden is None else {"hidden": made.hidden},
        )
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


def serve_experts(args: argparse.Namespace) -> Outcome:
    """``penstock serve``."""
    if args.bundle.startswith("rtl:"):
        return _serve_on_rtl(args)
    if args.state or args.latency or args.ddr:
        told = "a bundle without them, or rtl:experts=N,width=W"
        raise InputError("--state, --ddr or --latency", where=args.bundle, accepted=told)
    from .private_serving import is_private
    from .serving import SLOTS, serve

    if is_private(args.bundle):
        return _serve_private(args)
    with bar() as progress:
        found = serve(
            args.bundle,
            args.slots or SLOTS,
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


def _serve_private(args: argparse.Namespace) -> Outcome:
    if args.slots is not None or args.ahead:
        told = "neither: every prompt fetches its expert, for who is near would show"
        raise InputError("--slots or --ahead", where=args.bundle, accepted=told)
    from .private_serving import serve_private

    with bar() as progress:
        found = serve_private(
            args.bundle,
            batch=args.batch,
            batches=args.batches,
            requests=args.requests,
            threads=args.threads,
            seed=args.seed,
            progress=progress,
        )
    title = f"{found.experts} experts, {found.requests} prompts"
    said = [title, table(("", "counted", "expected"), found.rows()), *found.findings()]
    return Outcome(found.to_json(), "\n".join(said), ok=found.ok)


def _serve_on_rtl(args: argparse.Namespace) -> Outcome:
    if args.threads is not None:
        raise InputError("--threads", where=args.bundle, accepted="a bundle: the RTL is simulated by one")
    from .serving import SLOTS
    from .serving_rtl import DDR_RATE, serve_rtl

    with bar() as progress:
        found = serve_rtl(
            args.bundle,
            args.slots or SLOTS,
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
