"""What `penstock analyze` says: every cascade that makes several passes, and how fusion gets it to fewer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePath

from ...ir.build import integer, string, strings
from ...ir.cascade import EINSUM, FUSED, walk
from ...ir.errors import InputError
from ...ir.mlir import func, ir
from ...ir.module import parse_module, print_module
from ...ir.view import Cascade
from ...ir.view_text import parse_cascade
from ..fuse import Rewriting, measure, rewrite_text
from ..graph import functions
from ..pipeline import parse_pipeline, run_pipeline
from .analysis import Analysis, Question, analyse
from .extract import extract_cascade
from .passes import most_passes
from .sizes import ranks_of
from .tables import analysis_text

_PIPELINE = "relabel,simplify,fuse"
_INSTANCE = "penstock.instance"
_NODES = "penstock.nodes"


@dataclass(frozen=True)
class Entry:
    """One cascade of a model.

    Attributes:
        name: layer instance and what it is, ``encoder.layer.3.attention``.
        kernel: what shape of loop nest it became.
        root: the tensor read in the most passes.
        rank: the rank the passes run over.
        passes_before: as found.
        passes_after: as rewritten.
        rewrites: names of the rewritings, in order.
        footprint_before: live elements per outer point, algebraic in rank shapes.
        footprint_after: likewise.
        derivation: the steps, as lines.
        function: the function that holds it; layers of one shape share one.
        analysis: of the cascade as fused, where one was asked for.
    """

    name: str
    kernel: str
    root: str
    rank: str
    passes_before: int
    passes_after: int
    rewrites: tuple[str, ...]
    footprint_before: str
    footprint_after: str
    derivation: tuple[str, ...]
    function: str = ""
    analysis: Analysis | None = None

    def to_json(self) -> dict[str, object]:
        """The entry as a JSON object."""
        found: dict[str, object] = {} if self.analysis is None else {"analysis": self.analysis.to_json()}
        return {
            "name": self.name,
            "kernel": self.kernel,
            "root": self.root,
            "rank": self.rank,
            "passes_before": self.passes_before,
            "passes_after": self.passes_after,
            "rewrites": list(self.rewrites),
            "footprint": {"before": self.footprint_before, "after": self.footprint_after},
            "function": self.function,
            "derivation": list(self.derivation),
            **found,
        }


@dataclass(frozen=True)
class Report:
    """What the analysis of a model or of a text says.

    Attributes:
        cascades: of a model every cascade with more than one pass before rewriting; of a text the one.
        groups: how many groups there are, by kind.
        analysis: of the cascade as written in a text.
    """

    cascades: tuple[Entry, ...]
    groups: dict[str, int]
    analysis: Analysis | None = None

    def to_json(self) -> dict[str, object]:
        """The report as a JSON object."""
        found: dict[str, object] = {"cascades": [entry.to_json() for entry in self.cascades]}
        return found | {"groups": self.groups} | (self.analysis.to_json() if self.analysis else {})

    def text(self) -> str:
        """The report for people: the analysis, a line per cascade, then each distinct derivation once."""
        parts = [analysis_text(self.analysis)] if self.analysis is not None else []
        parts.append(self._derivations())
        shown: dict[str, list[str]] = {}
        for entry in self.cascades:
            if entry.analysis is not None:
                shown.setdefault(analysis_text(entry.analysis), []).append(entry.name)
        for text, names in shown.items():
            others = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
            parts += ["", f"{names[0]}{others}, as fused", text.rstrip("\n")]
        return "\n".join(parts)

    def _derivations(self) -> str:
        wide = max([len(entry.name) for entry in self.cascades], default=0)
        lines = [f"{'cascade':{wide}}  rank   passes  live before → after, per outer point"]
        for entry in self.cascades:
            passes = f"{entry.passes_before} → {entry.passes_after}"
            live = f"{entry.footprint_before} → {entry.footprint_after}"
            lines.append(f"{entry.name:{wide}}  {entry.rank:5}  {passes:6}  {live}")
        if self.groups:
            counted = ", ".join(f"{count} {kind}" for kind, count in self.groups.items())
            lines.append(f"groups: {counted}")
        shown: dict[tuple[str, ...], list[str]] = {}
        searched = self.analysis is not None and self.analysis.search is not None
        for entry in self.cascades:
            if entry.rewrites and not searched:
                shown.setdefault(entry.derivation, []).append(entry.name)
        for derivation, names in shown.items():
            others = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
            lines += ["", f"{names[0]}{others}", *(f"  {line}" for line in derivation)]
        return "\n".join(lines)


def report_module(module: ir.Module, question: Question | None = None) -> Report:
    """Analyse a module, raised or fused; the module itself is left as it is.

    Args:
        module: the module.
        question: what is asked of each cascade as fused; element sizes are the model's own.

    Raises:
        PassError: a pass does not take the module.
        InputError: see `analyse`.
    """
    copied = parse_module(print_module(module))
    raised = any(
        op.operation.name == EINSUM
        for function in functions(copied)
        for op in function.body.blocks[0].operations
    )
    if raised:
        copied, _ = run_pipeline(copied, parse_pipeline(_PIPELINE))
    known = {function.name.value: function for function in functions(copied)}
    entries: list[Entry] = []
    known_as: dict[str, Analysis] = {}
    groups: dict[str, int] = {}
    roots = [f for f in known.values() if "sym_visibility" not in f.attributes]
    for function in roots:
        prefix = f"{function.name.value}." if len(roots) > 1 else ""
        for name, op in _groups(function, known, prefix):
            kind = string(op, "kernel")
            groups[kind] = groups.get(kind, 0) + 1
            if integer(op, "passes_before") > 1:
                entries.append(_entry(name, op))
                if question is not None:
                    entries[-1] = replace(entries[-1], analysis=_fused(op, question, known_as))
    if question is not None and question.rank is not None and not any(e.analysis for e in entries):
        ranks = dict.fromkeys(entry.rank for entry in entries)
        raise InputError(f"no cascade over a rank '{question.rank}'", accepted=", ".join(ranks))
    return Report(_unique(entries), groups)


def _fused(op: ir.Operation, question: Question, found: dict[str, Analysis]) -> Analysis | None:
    """The analysis of a group as fused; None when it does not have the rank asked about, whole or split."""
    cascade = extract_cascade(op)
    rank = question.rank
    if rank is not None:
        rank = next((name for name in (rank, f"{rank}1") if name in ranks_of(cascade)), None)
        if rank is None:
            return None
    asked = replace(question, element_bytes=_element_bytes(op), rewrites=False, rank=rank)
    return _analysed(cascade, asked, found)


def _analysed(cascade: Cascade, question: Question, found: dict[str, Analysis]) -> Analysis:
    """The analysis of a cascade, one for all layers that share it."""
    key = f"{cascade}{question.element_bytes}"
    if key not in found:
        found[key] = analyse(cascade, question)
    return found[key]


def _element_bytes(op: ir.Operation) -> int:
    """Bytes of an element of what a group makes."""
    element = ir.RankedTensorType(op.results[0].type).element_type
    return {"f64": 8, "i64": 8, "f16": 2, "bf16": 2, "i16": 2, "i8": 1, "i1": 1}.get(str(element), 4)


def _groups(
    function: func.FuncOp, known: dict[str, func.FuncOp], prefix: str
) -> Iterator[tuple[str, ir.Operation]]:
    """Groups in the order they run, each instance of a layer on its own, with a name."""
    for op in walk(function):
        if op.name == FUSED:
            yield prefix + _label(op), op
        elif op.name == "func.call":
            callee = known.get(ir.FlatSymbolRefAttr(op.attributes["callee"]).value)
            if callee is not None:
                instance = string(op, _INSTANCE) if _INSTANCE in op.attributes else callee.name.value
                yield from _groups(callee, known, f"{prefix}{instance}.")


def _label(op: ir.Operation) -> str:
    kind = string(op, "kernel")
    if kind == "attention":
        return kind
    nodes = [node for node in strings(op, _NODES) if node] if _NODES in op.attributes else []
    return nodes[-1] if nodes else kind


def _entry(name: str, op: ir.Operation) -> Entry:
    derivation = strings(op, "derivation")
    return Entry(
        name=name,
        kernel=string(op, "kernel"),
        root=_root(derivation),
        rank=string(op, "over"),
        passes_before=integer(op, "passes_before"),
        passes_after=integer(op, "passes_after"),
        rewrites=strings(op, "rewrites"),
        footprint_before=string(op, "footprint_before"),
        footprint_after=string(op, "footprint_after"),
        derivation=derivation,
        function=string(op.parent, "sym_name"),
    )


def _root(derivation: tuple[str, ...]) -> str:
    """The tensor that the first line of a derivation names."""
    return derivation[0].partition("most over ")[2].partition(";")[0] if derivation else ""


def _unique(entries: list[Entry]) -> tuple[Entry, ...]:
    """Entries with a number behind names that occur again."""
    seen: dict[str, int] = {}
    named: list[Entry] = []
    for entry in entries:
        seen[entry.name] = seen.get(entry.name, 0) + 1
        count = seen[entry.name]
        named.append(entry if count == 1 else replace(entry, name=f"{entry.name}_{count}"))
    return tuple(named)


def report_text(
    text: str,
    *,
    where: str = "cascade",
    question: Question | None = None,
    shape: Mapping[str, int] | None = None,
) -> Report:
    """Analyse a cascade written as text.

    Args:
        text: the cascade.
        where: what to call it.
        question: what is asked beyond structure.
        shape: rank → extent, instead of those of the text.

    Raises:
        NotationError: the text is no cascade, or a rank asked about is not in it.
        InputError: see `analyse`.
    """
    cascade = parse_cascade(text, where=where, shape=shape)
    asked = question or Question()
    analysis = analyse(cascade, asked)
    rank = most_passes(cascade).rank if asked.rank is None else cascade.family(asked.rank)[0]
    rewriting = rewrite_text(_with_extents(cascade), rank) if rank else measure(cascade, rank)
    return Report((_written(PurePath(where).stem, rewriting),), {}, analysis)


def _with_extents(cascade: Cascade) -> Cascade:
    """Ranks without a shape line get a small extent: only the structure matters."""
    ranks = dict.fromkeys(rank for einsum in cascade.all for rank in einsum.ranks)
    return replace(cascade, extents={**dict.fromkeys(ranks, 4), **cascade.extents})


def _written(name: str, rewriting: Rewriting) -> Entry:
    return Entry(
        name=name,
        kernel="",
        root=rewriting.root,
        rank=rewriting.rank,
        passes_before=rewriting.passes_before,
        passes_after=rewriting.passes_after,
        rewrites=tuple(rewriting.rewrites),
        footprint_before=str(rewriting.footprint_before),
        footprint_after=str(rewriting.footprint_after),
        derivation=tuple(rewriting.derivation()),
    )
