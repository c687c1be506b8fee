"""What each ``penstock plan …`` does: the planners on their own."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from .ir.errors import InputError
from .ir.files import write_text
from .ir.targets import load
from .options import one_extent_each
from .outcome import Outcome, listing, plain, table
from .progress import bar

ROWS = 60
"""Rows of a table of buffers beyond which people want a file."""


def plan_offsets(args: argparse.Namespace) -> Outcome:
    """``penstock plan offsets``."""
    from .passes.offsets import Race, plan_pools, race, read_csv, write_csv
    from .passes.offsets.picture import svg

    pools = dict(args.pool)
    for given, suffix in ((args.out, ".csv"), (args.plot, ".svg")):
        if given and Path(given).suffix != suffix:
            raise InputError("a file of what kind?", where=given, accepted=f"a name in {suffix}")
    if len(pools) < len(args.pool) or (pools and args.capacity):
        raise InputError("which size?", accepted="--capacity once, or --pool once for each pool")
    buffers = read_csv(args.file, given_offsets=not args.anew, pools=pools)
    begin = time.monotonic()
    with bar() as progress:
        if pools:
            found = plan_pools(buffers, pools, time_limit_s=args.seconds, seed=args.seed, jobs=args.jobs)
            result = Race(found, "bound", time.monotonic() - begin)
        else:
            result = race(
                buffers,
                capacity=args.capacity,
                time_limit_s=args.seconds,
                seed=args.seed,
                jobs=args.jobs,
                watch=progress
                and (lambda at, high, low: progress(f"arena {high}, at least {low}", at, args.seconds)),
            )
    plan = result.plan
    said = result.text(args.capacity, pools, buffers)
    if args.out:
        write_csv(args.out, buffers, plan.offsets, plan.pool_of)
        said += f"\nwrote {args.out}"
    if args.plot:
        capacities = pools or ({"": args.capacity} if args.capacity else {})
        write_text(args.plot, svg(buffers, plan, f"{args.file}: {plan.peak_bytes} bytes", capacities))
        said += f"\nwrote {args.plot}"
    columns = ("buffer", "from", "to", "bytes", "offset", *(("pool",) if pools else ()))
    rows = [
        (
            b.name,
            b.start,
            b.end,
            b.size_bytes,
            plan.offsets[b.name],
            *([plan.pool_of[b.name]] if pools else []),
        )
        for b in buffers[:ROWS]
    ]
    listed = table(columns, rows)
    if len(buffers) > ROWS:
        listed += f"\n… and {len(buffers) - ROWS} more; -o writes them all"
    return Outcome(result.to_json(), f"{listed}\n{said}")


def plan_bind(args: argparse.Namespace) -> Outcome:
    """``penstock plan bind``."""
    from . import plan
    from .passes.bind.gantt import page, svg

    shapes = one_extent_each(args.shape) or {}
    draw = {".svg": svg, ".html": page}.get(Path(args.out).suffix if args.out else ".svg")
    if draw is None:
        raise InputError("a chart of what kind?", where=args.out, accepted="a file name in .svg or .html")
    with bar() as progress:
        found = plan.bind(
            args.source,
            args.target,
            shapes=shapes,
            rows=args.rows,
            cols=args.cols,
            seed=args.seed,
            time_limit_s=args.time_limit,
            progress=progress,
        )
    written: list[Path] = []
    for number, (name, binding) in enumerate(found.items(), 1):
        if args.out:
            out = Path(args.out)
            written.append(out if number == 1 else out.with_stem(f"{out.stem}-{number}"))
            title = f"{name} on {binding.target}: {binding.pace}"
            write_text(written[-1], draw(binding.schedule, title))
    data = {"bindings": {name: binding.to_json() for name, binding in found.items()}, "written": written}
    said = [f"{name} on {binding.target}\n\n{binding.text()}" for name, binding in found.items()]
    said += [f"wrote {path}" for path in written]
    return Outcome(data, "\n\n".join(said))


def plan_map(args: argparse.Namespace) -> Outcome:
    """``penstock plan map``."""
    from . import plan
    from .passes.place.players import Training

    kind = Path(args.out).suffix if args.out else ".json"
    if kind not in (".json", ".svg"):
        raise InputError("a map of what kind?", where=args.out, accepted="a file name in .json or .svg")
    shapes = one_extent_each(args.shape)
    training = Training(args.engine, args.workers, args.checkpoint, args.curve)
    with bar() as progress:
        found = plan.memory_map(
            args.source,
            args.target,
            profile=args.profile,
            player=args.player,
            effort=args.effort,
            evaluations=args.evaluations,
            shapes=shapes,
            seed=args.seed,
            training=training,
            progress=progress,
        )
    said = found.text()
    if args.out:
        text = found.svg() if kind == ".svg" else json.dumps(plain(found.to_json()), indent=1) + "\n"
        write_text(args.out, text)
        said += f"\nwrote {args.out}"
    return Outcome({**found.summary(), "written": args.out}, said)


def plan_nest(args: argparse.Namespace) -> Outcome:
    """``penstock plan nest``."""
    from .ir.view_text import read_cascade
    from .passes.bind.mapper import search
    from .passes.bind.mapper_nests import search_nests

    shapes = one_extent_each(args.shape) or {}
    cascade = read_cascade(args.file, shape=shapes)
    with bar() as progress:
        found = (search_nests if args.cut else search)(
            cascade,
            load(args.target),
            objective=args.objective,
            budget=args.budget,
            seed=args.seed,
            progress=progress,
        )
    return Outcome(found.to_json(), found.text())


def plan_tiers(args: argparse.Namespace) -> Outcome:
    """``penstock plan tiers``."""
    from . import plan

    kind = Path(args.out).suffix if args.out else ".json"
    if kind not in (".json", ".mlir"):
        raise InputError(
            "a placement of what kind?", where=args.out, accepted="a file name in .json or .mlir"
        )
    with bar():
        found, text = plan.tiers(
            args.source,
            args.target,
            policy=args.policy,
            near_bytes=args.near,
            shapes=one_extent_each(args.shape),
        )
    data = {"target": args.target, "entries": {name: each.to_json() for name, each in found.items()}}
    said = []
    for each in found.values():
        columns = ("policy", "spills", "bytes", "bytes moved", "ms added")
        rows = [(p.policy, p.symbols, p.bytes, p.moved, p.added_s * 1e3) for p in each.policies]
        said += [each.text(), table(columns, rows)]
    if args.out:
        write_text(args.out, text if kind == ".mlir" else json.dumps(plain(data), indent=1) + "\n")
        said.append(f"wrote {args.out}")
    return Outcome({**data, "written": args.out}, "\n".join(said))


def plan_swap(args: argparse.Namespace) -> Outcome:
    """``penstock plan swap``."""
    from . import plan
    from .swap_text import data, text, write_picture

    kind = Path(args.out).suffix if args.out else ".json"
    if kind not in (".json", ".mlir", ".html", ".png"):
        raise InputError(
            "a plan of what kind?", where=args.out, accepted="a file name in .json, .mlir, .html or .png"
        )
    with bar() as progress:
        found = plan.swap(
            args.source,
            args.target,
            seq=args.seq,
            gpus=args.gpus,
            dtype=args.dtype,
            policy=args.policy,
            efficiency=args.efficiency,
            device_bytes=args.device,
            host_bytes=args.host,
            link_bytes_per_s=args.link,
            measure=args.measure,
            align=args.align,
            time_limit_s=args.time_limit,
            seed=args.seed,
            progress=progress,
        )
    said = text(found)
    if args.out:
        if kind == ".json":
            found.plan.write(args.out)
        elif kind == ".mlir":
            from .passes.swap.emit import module_text

            write_text(args.out, module_text(found.costs, found.plan))
        else:
            write_picture(found, Path(args.out))
        said += f"\nwrote {args.out}"
    return Outcome({**data(found), "written": args.out}, said)


def plan_sections(args: argparse.Namespace) -> Outcome:
    """``penstock plan sections``."""
    from . import plan

    if args.out and Path(args.out).suffix != ".json":
        raise InputError("a report of what kind?", where=args.out, accepted="a file name in .json")
    with bar() as progress:
        plans, left = plan.sections(
            args.source,
            args.target,
            shapes=one_extent_each(args.shape),
            tile=args.tile,
            streams=args.streams,
            launch_s=args.launch * 1e-6,
            seed=args.seed,
            progress=progress,
        )
    data = {"target": args.target, "functions": [each.to_json() for each in plans], "not_streamed": left}
    said = []
    for each in plans:
        count, bound = len(each.graph.operators), each.bound_s * 1e3
        said.append(
            f"{each.graph.name} on {each.fabric.name}: {count} operators; no cut is below {bound:.4g} ms"
        )
        said += [listing(each.methods()), listing(each.sections())]
    said += [f"{name} is not streamed: it has {odd}" for name, odd in left.items()]
    if args.out:
        write_text(args.out, json.dumps(plain(data), indent=1) + "\n")
        said.append(f"wrote {args.out}")
    return Outcome({**data, "written": args.out}, "\n".join(said))
