"""What `penstock analyze` says: every cascade that makes several passes, and how fusion gets it to fewer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import PurePath

from ...ir.build import integer, string, strings
from ...ir.cascade import EINSUM, FUSED, walk
from ...ir.mlir import func, ir
from ...ir.module import parse_module, print_module
from ...ir.view import Cascade
from ...ir.view_text import parse_cascade
from ..fuse import Rewriting, rewrite_text
from ..graph import functions
from ..pipeline import parse_pipeline, run_pipeline
from .passes import most_passes

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

    def to_json(self) -> dict[str, object]:
        """The entry as a JSON object."""
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
        }


@dataclass(frozen=True)
class Report:
    """Every cascade with more than one pass before rewriting; `groups` counts all groups by kind."""

    cascades: tuple[Entry, ...]
    groups: dict[str, int]

    def to_json(self) -> dict[str, object]:
        """The report as a JSON object."""
        return {"cascades": [entry.to_json() for entry in self.cascades], "groups": self.groups}

    def text(self) -> str:
        """The report for people: a line per cascade, then each distinct derivation once."""
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
        for entry in self.cascades:
            if entry.rewrites:
                shown.setdefault(entry.derivation, []).append(entry.name)
        for derivation, names in shown.items():
            others = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
            lines += ["", f"{names[0]}{others}", *(f"  {line}" for line in derivation)]
        return "\n".join(lines)


def report_module(module: ir.Module) -> Report:
    """Analyse a module, raised or fused; the module itself is left as it is.

    Raises:
        PassError: a pass does not take the module.
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
    groups: dict[str, int] = {}
    roots = [f for f in known.values() if "sym_visibility" not in f.attributes]
    for function in roots:
        prefix = f"{function.name.value}." if len(roots) > 1 else ""
        for name, op in _groups(function, known, prefix):
            kind = string(op, "kernel")
            groups[kind] = groups.get(kind, 0) + 1
            if integer(op, "passes_before") > 1:
                entries.append(_entry(name, op))
    return Report(_unique(entries), groups)


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


def report_text(text: str, *, where: str = "cascade") -> Report:
    """Analyse a cascade written as text.

    Raises:
        NotationError: the text is no cascade.
    """
    cascade = parse_cascade(text, where=where)
    count = most_passes(cascade)
    rewriting = rewrite_text(_with_extents(cascade), count.rank)
    return Report((_written(PurePath(where).stem, rewriting),), {})


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
