"""An analysis as text for people: tables, one idea each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from .analysis import Analysis
from .ranks import RankReport
from .traffic import Phase, Traffic


def analysis_text(analysis: Analysis) -> str:
    """The analysis as lines of text."""
    return "\n".join(
        line
        for section in (
            _cascade(analysis),
            _passes(analysis),
            _inside(analysis),
            _operations(analysis),
            _traffic(analysis),
            _bounds(analysis),
            _rewrites(analysis),
            _search(analysis),
        )
        for line in section
    )


def aligned(rows: Iterable[Sequence[str]], indent: str = "  ") -> Iterator[str]:
    """Rows with their columns in line; the last column as long as it is."""
    listed = [tuple(row) for row in rows]
    widths = [max(len(row[at]) for row in listed) for at in range(len(listed[0]))] if listed else []
    for row in listed:
        cells = [cell.ljust(width) for cell, width in zip(row[:-1], widths[:-1], strict=True)]
        yield (indent + "  ".join([*cells, row[-1]])).rstrip()


def _cascade(analysis: Analysis) -> Iterator[str]:
    yield from (f"  {line}" for line in str(analysis.cascade).splitlines())
    yield ""


def _passes(analysis: Analysis) -> Iterator[str]:
    yield "passes over each rank, Einsums of one level fuse freely, live elements per outer point and in all"
    head = ("rank", "passes", "by input", "live", "in all", "levels")
    yield from aligned([head, *(_pass_row(each) for each in analysis.ranks if not _inner(each, analysis))])
    yield ""


def _pass_row(each: RankReport) -> tuple[str, ...]:
    by_root = ", ".join(f"{root} {count}" for root, count in each.count.by_root.items()) or "-"
    levels = "; ".join(f"{level}: {' '.join(names)}" for level, names in each.fused)
    per = f" per ({','.join(each.outer)})" if each.outer and each.live.terms else ""
    order = each.total.order if each.live.terms else "0"
    return each.name, str(each.count.passes), by_root, f"{each.live}{per}", order, levels


def _inner(each: RankReport, analysis: Analysis) -> bool:
    """Whether the report is about an inner sub-rank by itself."""
    family = analysis.cascade.family(each.count.rank)
    return len(family) > 1 and each.count.family != family


def _inside(analysis: Analysis) -> Iterator[str]:
    """What a tile of a split rank keeps."""
    inner = [each for each in analysis.ranks if _inner(each, analysis)]
    for each in inner:
        name = each.count.rank
        tile = "x".join(rank.upper() for rank in (name, *each.outer))
        passes = each.count.passes
        counted = "1 pass" if passes == 1 else f"{passes} passes"
        kept = (
            f": one {tile} tile of {_listed(each.crossing)} stays live, {each.total.order}"
            if each.crossing
            else ""
        )
        yield f"inside a tile, {counted} over {name}{kept}"
    if inner:
        yield ""


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _operations(analysis: Analysis) -> Iterator[str]:
    found = analysis.intensity
    yield "operations"
    numbers = analysis.cascade.extents if analysis.known else None
    yield from aligned(
        (kind, str(count), f"{count.at(numbers):,}" if numbers else "")
        for kind, count in found.classes.items()
    )
    yield "intensity: operations / compulsory bytes, each input read and each result written once"
    yield f"  ({found.operations}) / ({analysis.question.element_bytes} * ({found.compulsory}))"
    if numbers:
        at = found.at(analysis.cascade, analysis.question.element_bytes)
        ratio = f"{at['operations']:,} / {at['compulsory_bytes']:,}"
        yield f"  {ratio} = {at['operations_per_byte']:.6g} per byte"
    yield ""


def _traffic(analysis: Analysis) -> Iterator[str]:
    if analysis.traffic is None or analysis.single is None:
        return
    words = analysis.question.element_bytes
    yield (
        f"least traffic found with a buffer of {analysis.question.buffer_bytes:,} bytes "
        f"({analysis.traffic.buffer_elements:,} elements of {words})"
    )
    yield f"  {_amount(analysis.traffic, words)}"
    yield from _phases(analysis.traffic)
    if analysis.single.elements != analysis.traffic.elements:
        yield f"  with nothing computed twice: {_amount(analysis.single, words)}"
        yield from _phases(analysis.single)
    yield ""


def _amount(traffic: Traffic, words: int) -> str:
    ratio = traffic.elements / traffic.compulsory
    return f"{traffic.bytes(words):,} bytes, {ratio:.4g} x compulsory"


def _phases(traffic: Traffic) -> Iterator[str]:
    for number, phase in enumerate(traffic.phases, 1):
        yield f"  phase {number}: {' '.join(phase.tensors)}"
        yield from (f"    {line}" for line in _how(phase))
        rows = [
            (move.tensor, move.kind, f"{move.elements:,}", f"x {move.times:.4g}" if move.times != 1 else "")
            for move in phase.moves
        ]
        yield from aligned(rows, "      ")


def _how(phase: Phase) -> Iterator[str]:
    blocks = ", ".join(f"{rank} by {block}" for rank, block in phase.blocks.items())
    whole = "a block at once" if phase.blocks else "everything at once"
    stream = f"{','.join(phase.stream)} streamed" if phase.stream else whole
    times = f", {phase.passes} traversals" if phase.passes > 1 else ""
    yield f"{'; '.join(filter(None, (blocks, stream)))}{times}; {phase.occupancy:,} elements held"
    fates = (("kept", phase.kept), ("spilled", phase.spilled), ("made again", phase.recomputed))
    said = [f"{fate} {' '.join(names)}" for fate, names in fates if names]
    if said:
        yield f"across passes: {'; '.join(said)}"
    if phase.made:
        yield "computed " + ", ".join(f"{name} x {times}" for name, times in phase.made.items())


def _bounds(analysis: Analysis) -> Iterator[str]:
    if not analysis.bounds or analysis.traffic is None:
        return
    words = analysis.question.element_bytes
    largest = analysis.bounds[0].elements
    yield "lower bounds, for any schedule of these Einsums"
    rows = [
        (
            bound.einsum or "all",
            bound.kind,
            f"{bound.elements * words:,} bytes",
            bound.formula,
            f"{bound.valid}; {bound.source}",
        )
        for bound in analysis.bounds
    ]
    yield from aligned(rows)
    yield f"  the traffic found is {analysis.traffic.elements / largest:.4g} x the largest"
    yield ""


def _rewrites(analysis: Analysis) -> Iterator[str]:
    if not analysis.rewrites:
        return
    yield "legal rewrites"
    rows = [("rewrite", "rank", "passes", "live per outer point", "needs")]
    for each in analysis.rewrites:
        before, after = each.passes
        live = f"{each.footprint_before} → {each.footprint_after}"
        rows.append((each.name, each.rank, f"{before} → {after}", live, each.condition or "-"))
    yield from aligned(rows)
    yield ""


def _search(analysis: Analysis) -> Iterator[str]:
    if analysis.search is not None:
        yield "search for the fewest passes, then the least traffic, then the least work"
        yield from (f"  {line}".rstrip() for line in analysis.search.text().splitlines())
        yield ""
