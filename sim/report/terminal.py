"""The report as tables for the terminal."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from ..cost.record import EntryCost
from ..rtl.bitmod_result import ChainResult
from ..rtl.compare import SimResult
from ..verification import Verification
from . import gpu, maps, oblivious, units
from .contents import Contents

_PIPE_WIDTH = 140


def tables(contents: Contents) -> RenderableType:
    """Every table of one bundle's report, as something rich prints."""
    verification = contents.verification
    compile_time = units.duration(sum(step.seconds for step in contents.cost.passes))
    rounded = contents.manifest["model"].get("precision")
    parts: list[RenderableType] = [
        Text(f"{contents.model} on {contents.cost.target}", style="bold"),
        Text(
            f"{units.amount(contents.parameters)} parameters, "
            f"{units.size(contents.parameter_bytes)} of weights, "
            f"{f'contractions of {rounded}, ' if rounded else ''}compiled in {compile_time}"
        ),
    ]
    parts += [_groups(name, entry) for name, entry in contents.cost.entries.items()]
    if contents.memory:
        parts.append(_memory(contents))
    if contents.kernels:
        parts.append(_kernels(contents))
    if contents.far is not None:
        parts.append(Text(contents.far.text()))
    if contents.maps:
        parts += [_maps(contents), *(Text(f"picture: {found.where}") for found in contents.maps.values())]
    if contents.oblivious is not None:
        parts.append(_oblivious(contents.oblivious))
    if verification is not None:
        parts.append(_verification(verification))
    if contents.rtl_runs:
        parts.append(_rtl(contents.rtl_runs))
    return Group(*parts)


def text(bundles: Iterable[Contents]) -> str:
    """The tables of bundles as plain text."""
    return _plain(tables(contents) for contents in bundles)


def verification_text(found: Verification) -> str:
    """The table of a verification as plain text."""
    return _plain([_verification(found)])


def _plain(parts: Iterable[RenderableType]) -> str:
    """As wide as the terminal, or 140 columns where there is none."""
    console = Console(
        file=io.StringIO(),
        width=None if sys.stdout.isatty() else _PIPE_WIDTH,
        highlight=False,
        color_system=None,
    )
    with console.capture() as captured:
        for part in parts:
            console.print(part)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def _table(title: str, columns: Sequence[str], numbers: int) -> Table:
    """An empty table whose last ``numbers`` columns hold figures."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for at, column in enumerate(columns):
        table.add_column(column, justify="right" if at >= len(columns) - numbers else "left", overflow="fold")
    return table


def _groups(name: str, entry: EntryCost) -> Table:
    columns = ["group", "bound by", "passes", "runs", "flop", "bytes", "unfused", "flop/B", "roofline"]
    table = _table(f"Entry {name}", columns, 7)
    for group in entry.groups:
        table.add_row(
            group.name,
            group.bound,
            f"{group.passes_before} → {group.passes_after}",
            str(group.instances),
            units.amount(group.instances * group.flops),
            units.size(group.instances * group.bytes),
            units.size(group.instances * group.bytes_unfused),
            units.ratio(group.intensity),
            units.duration(group.instances * group.seconds),
        )
    table.add_section()
    table.add_row(
        "all groups",
        "",
        "",
        str(sum(group.instances for group in entry.groups)),
        units.amount(entry.flops),
        units.size(entry.bytes),
        units.size(entry.bytes_unfused),
        units.ratio(entry.flops / entry.bytes) if entry.bytes else "—",
        units.duration(entry.seconds),
    )
    return table


def _memory(contents: Contents) -> Table:
    columns = ["entry", "planner", "buffers", "before", "arena", "lower bound"]
    table = _table("Memory of intermediates", columns, 4)
    for name, memory in contents.memory.items():
        table.add_row(
            name,
            memory.solver,
            str(len(memory.buffers)),
            units.size(memory.series.peak_before_bytes),
            units.size(memory.series.peak_after_bytes),
            units.size(memory.lower_bound_bytes),
        )
    return table


def _kernels(contents: Contents) -> Table:
    table = _table("Kernels of the GPU", gpu.COLUMNS, len(gpu.COLUMNS) - 2)
    for kernel in contents.kernels:
        table.add_row(*kernel.row())
    return table


def _maps(contents: Contents) -> Table:
    tiers = sorted({f"{found.fast} beside {found.slow}" for found in contents.maps.values()})
    table = _table(f"Memory map: {', '.join(tiers)}; verified", maps.COLUMNS, len(maps.COLUMNS) - 2)
    for name, found in contents.maps.items():
        table.add_row(*found.row(name))
    return table


def _oblivious(program: Mapping[str, Any]) -> Table:
    table = _table(oblivious.title(program), oblivious.COLUMNS, len(oblivious.COLUMNS) - 1)
    for row in oblivious.rows(program):
        table.add_row(*row)
    return table


def _verification(found: Verification) -> Table:
    columns = ["run", "output", "verdict", "max abs", "relative", "cosine", "bound"]
    table = _table(f"Verification against {found.reference}", columns, 4)
    for case in found.cases:
        for output in case.outputs:
            within = output.relative <= case.bound
            verdict = "within" if within else f"beyond from {case.departs}" if case.departs else "beyond"
            table.add_row(
                case.label,
                output.name,
                verdict,
                units.scientific(output.max_abs),
                units.scientific(output.relative),
                f"{output.cosine:.7f}",
                units.scientific(case.bound),
            )
        for output in case.quantization:
            table.add_row(
                case.label,
                output.name,
                "from the float model",
                units.scientific(output.max_abs),
                units.scientific(output.relative),
                f"{output.cosine:.7f}",
                "",
            )
    return table


def _rtl(runs: Sequence[SimResult]) -> Table:
    table = _table("RTL", ["layer", "driver", "oracle", "RTL cycles", "model cycles"], 2)
    for run in runs:
        oracle = "bit-exact" if run.bit_exact else f"{run.mismatches} of {run.results} differ"
        table.add_row(run.layer, run.driver, oracle, f"{run.cycles_rtl:,}", f"{run.cycles_model:,}")
        for layer in run.layers if isinstance(run, ChainResult) else ():
            oracle = f"{layer.mismatches} of {layer.results} differ" if layer.mismatches else "bit-exact"
            cycles = f"{layer.cycles_rtl:,}", f"{layer.cycles_model:,}"
            table.add_row(f"  {layer.name}", f"{layer.utilisation:.1%} of peak", oracle, *cycles)
    return table
