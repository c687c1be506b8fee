"""The sections of the HTML report, one function each, from a bundle's contents to HTML."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ..cost.record import EntryCost, GroupCost, PassTime, Roofs
from ..rtl.bitmod_result import ChainResult
from ..rtl.compare import SimResult
from ..verification import Verification
from . import plots, units
from .contents import Contents, Memory
from .markup import Cell, details, facts, note, pre, table, verdict


def summary(contents: Contents) -> str:
    """The model, its entry points and the tools that compiled it."""
    manifest = contents.manifest
    figures = [
        ("target", contents.cost.target),
        ("parameters", units.amount(contents.parameters)),
        ("weights", units.size(contents.parameter_bytes)),
        ("entry points", str(len(contents.entries))),
        ("compile time", units.duration(sum(step.seconds for step in contents.cost.passes))),
    ]
    if "precision" in manifest["model"]:
        figures.append(("contractions of", manifest["model"]["precision"]))
    if contents.verification is not None:
        figures.append(("verification", "passed" if contents.verification.ok else "FAILED"))
    entries = [
        [name, "; ".join(map(str, entry.inputs)), "; ".join(map(str, entry.outputs))]
        for name, entry in contents.entries.items()
    ]
    options = [[str(key), str(value)] for key, value in manifest["model"].items()]
    tools = [[name, str(version)] for name, version in manifest["tools"].items()]
    return (
        facts(figures)
        + table(["entry point", "inputs", "outputs"], entries)
        + details("How it was compiled", table(["option", "value"], options), kind="fold")
        + details("Tool versions", table(["tool", "version"], tools), kind="fold")
    )


def entry(key: str, name: str, cost: EntryCost, memory: Memory | None, roofs: Roofs, *, shown: bool) -> str:
    """One entry point: its groups, their work, the roofline and the memory."""
    title = f"{escape(name)}: {units.amount(cost.flops, 'flop')}, {units.size(cost.bytes)} moved"
    body = (
        "<h3>Fused groups: Einsums and passes</h3>"
        + note("One line per group: passes over its reduced ranks and live footprint, before → after fusion.")
        + "".join(_group(number, group) for number, group in enumerate(cost.groups, start=1))
        + "<h3>Work per fused group</h3>"
        + _work(cost)
        + plots.work_bars(f"{key}-work", cost.groups)
        + "<h3>Roofline</h3>"
        + note(
            "Numbers are the groups' of the table. A hollow point is the same work with every Einsum on its "
            "own; the line from it is what fusion saves in traffic."
        )
        + plots.roofline(f"{key}-roofline", cost.groups, roofs)
        + (_memory(key, memory) if memory and memory.buffers else "")
    )
    return details(title, body, kind="entry", shown=shown)


def _group(number: int, group: GroupCost) -> str:
    passes = f"{group.passes_before} → {group.passes_after} passes"
    if group.passes_before == group.passes_after:
        passes = f"{group.passes_after} pass" + ("es" if group.passes_after != 1 else "")
    footprint = f"footprint {group.footprint_before} → {group.footprint_after}"
    if group.footprint_before == group.footprint_after:
        footprint = f"footprint {group.footprint_after}"
    title = (
        f"{number}. <b>{escape(group.name)}</b> ×{group.instances} in {escape(group.function)}: "
        f"{escape(passes)}, {escape(footprint)}"
    )
    body = pre(group.einsums)
    if group.rewrites:
        body += f"<p>Rewritten by: {escape(', '.join(group.rewrites))}</p>"
    if group.derivation:
        body += details("Derivation", pre(group.derivation), kind="fold")
    return details(title, body, kind="group")


def _work(cost: EntryCost) -> str:
    seconds = cost.seconds or 1.0
    rows: list[Sequence[Cell | str | int]] = [
        [
            number,
            group.name,
            group.instances,
            _amount(group.instances * group.flops),
            _size(group.instances * group.bytes),
            _size(group.instances * group.bytes_unfused),
            Cell(units.ratio(group.intensity), group.intensity),
            Cell(units.duration(group.instances * group.seconds), group.instances * group.seconds),
            Cell(f"{100 * group.instances * group.seconds / seconds:.1f} %", group.instances * group.seconds),
            group.bound,
        ]
        for number, group in enumerate(cost.groups, start=1)
    ]
    flops, moved = cost.flops, cost.bytes
    rows.append(
        [
            Cell("", 0),
            "all groups",
            sum(group.instances for group in cost.groups),
            _amount(flops),
            _size(moved),
            _size(cost.bytes_unfused),
            Cell(units.ratio(flops / moved) if moved else "—", flops / moved if moved else 0),
            Cell(units.duration(cost.seconds), cost.seconds),
            Cell("100 %", seconds),
            "",
        ]
    )
    columns = [
        "#",
        "group",
        "runs",
        "flop",
        "bytes",
        "unfused",
        "flop/B",
        "roofline time",
        "share",
        "bound by",
    ]
    return table(columns, rows, total=True)


def _memory(key: str, memory: Memory) -> str:
    before, after = memory.series.peak_before_bytes, memory.series.peak_after_bytes
    above = after - memory.lower_bound_bytes
    figures = [
        ("before planning", units.size(before)),
        ("arena after planning", units.size(after)),
        ("lower bound", units.size(memory.lower_bound_bytes)),
        ("smaller by", f"{before / after:.1f}×" if after else "—"),
        ("above the bound", units.size(above) if above else "nothing: optimal"),
        ("planner", memory.solver),
    ]
    return (
        "<h3>Memory of intermediates over the steps</h3>"
        + facts(figures)
        + plots.memory_series(f"{key}-series", memory)
        + "<h3>The arena: offset × time</h3>"
        + plots.memory_map(f"{key}-map", memory)
    )


def verification(key: str, found: Verification) -> str:
    """Errors against the reference: every output, and every layer of every run."""
    outputs = [
        [
            case.label,
            output.name,
            _error(output.max_abs),
            _error(output.relative),
            Cell(f"{output.cosine:.7f}", output.cosine),
            _error(case.bound),
            case.departs or "—",
            verdict(output.relative <= case.bound, "within", "beyond"),
        ]
        for case in found.cases
        for output in case.outputs
    ]
    layered = [case for case in found.cases if case.layers]
    columns = ["run", "output", "max abs", "relative", "cosine", "bound", "first layer beyond", "verdict"]
    body = note(f"Reference: {found.reference}.") + table(columns, outputs)
    distances = [
        [
            case.label,
            output.name,
            _error(output.max_abs),
            _error(output.relative),
            Cell(f"{output.cosine:.7f}", output.cosine),
        ]
        for case in found.cases
        for output in case.quantization
    ]
    if distances:
        body += note("Distance from the model before its weights were quantized.")
        body += table(["run", "output", "max abs", "relative", "cosine"], distances)
    if layered:
        body += plots.layer_errors(f"{key}-layers", layered)
    for case in layered:
        rows = [
            [number, layer.name, _error(layer.max_abs), _error(layer.relative)]
            for number, layer in enumerate(case.layers, start=1)
        ]
        layers = table(["#", "layer", "max abs", "relative"], rows)
        body += details(f"Layers of {escape(case.label)}", layers, kind="fold")
    return body


def rtl(key: str, runs: Sequence[SimResult]) -> str:
    """Simulated RTL: bit-exactness, cycles against the cost model's; a table for each kind of design."""
    kinds = dict.fromkeys(run.design for run in runs)
    tables = [_rtl_table([run for run in runs if run.design == kind]) for kind in kinds]
    chains = [run for run in runs if isinstance(run, ChainResult)]
    layers = [_chain(f"{key}-chain-{number}", run) for number, run in enumerate(chains)]
    return "".join(tables) + plots.cycles(f"{key}-cycles", runs) + "".join(layers)


def _chain(key: str, run: ChainResult) -> str:
    """One chain on the BitMoD accelerator, layer by layer."""
    rows = [
        [
            layer.name,
            f"{layer.tokens}×{layer.channels}×{layer.inputs}",
            layer.format,
            Cell(f"{layer.cycles_rtl:,}", layer.cycles_rtl),
            Cell(f"{layer.cycles_model:,}", layer.cycles_model),
            Cell(f"{100 * layer.utilisation:.1f} %", layer.utilisation),
            *map(_size, layer.bytes_moved.values()),
            verdict(not layer.mismatches, "bit-exact", f"{layer.mismatches} of {layer.results} differ"),
            _error(layer.relative_error_quantized),
            _error(layer.relative_error_float),
        ]
        for layer in run.layers
    ]
    columns = ["layer", "tokens × channels × inputs", "weights", "RTL cycles", "model cycles", "utilisation"]
    columns += [*run.layers[0].bytes_moved, "oracle", "error, arithmetic", "error, with quantization"]
    title = f"<h3>{escape(run.layer)} ({run.driver}), layer by layer</h3>"
    said = (
        f"{run.array[0]} × {run.array[1]} elements, a memory that answers after {run.memory_latency} cycles."
    )
    return title + note(said) + table(columns, rows) + plots.layers(key, run)


def _rtl_table(runs: Sequence[SimResult]) -> str:
    rows = [
        [
            run.layer,
            run.driver,
            Cell(f"{run.cycles_rtl:,}", run.cycles_rtl),
            Cell(f"{run.cycles_model:,}", run.cycles_model),
            Cell(_off(run), run.cycles_model - run.cycles_rtl),
            *(Cell(f"{100 * share:.1f} %", share) for share in run.utilisations.values()),
            verdict(run.bit_exact, "bit-exact", f"{run.mismatches} of {run.results} differ"),
            *map(_error, run.errors.values()),
            Cell(units.duration(run.run_seconds), run.run_seconds),
        ]
        for run in runs
    ]
    columns = ["layer", "driver", "RTL cycles", "model cycles", "model", *runs[0].utilisations, "oracle"]
    columns += [*(f"error, {what}" for what in runs[0].errors), "wall time"]
    return table(columns, rows)


def _off(run: SimResult) -> str:
    """How far the cost model is from the RTL."""
    if run.cycles_model == run.cycles_rtl or not run.cycles_rtl:
        return "equal"
    return f"{100 * (run.cycles_model - run.cycles_rtl) / run.cycles_rtl:+.2f} %"


def compile_times(key: str, steps: Sequence[PassTime]) -> str:
    """Time of every step of the compilation."""
    rows: list[Sequence[Cell | str | int]] = [
        [number, step.name, Cell(units.duration(step.seconds), step.seconds)]
        for number, step in enumerate(steps, start=1)
    ]
    total = sum(step.seconds for step in steps)
    rows.append([Cell("", 0), "all steps", Cell(units.duration(total), total)])
    return table(["#", "step", "time"], rows, total=True) + plots.pass_times(f"{key}-passes", steps)


def _amount(count: float) -> Cell:
    return Cell(units.amount(count), count)


def _size(count: int) -> Cell:
    return Cell(units.size(count), count)


def _error(value: float) -> Cell:
    return Cell(units.scientific(value), value)
