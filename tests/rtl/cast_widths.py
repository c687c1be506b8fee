"""Casts that only add bits: a bit fewer of them is no fault."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pyslang import Bag, ast, syntax

Span = tuple[str, int, int]


def adding(texts: dict[str, str], tops: Iterable[tuple[str, dict[str, int]]]) -> set[Span]:
    """Casts whose operand is narrower than they are wherever they stand: file, first character, end.

    Args:
        texts: file name → source of the whole design.
        tops: modules with parameters, all of which count.
    """
    adds: set[Span] = set()
    cuts: set[Span] = set()
    for top, parameters in tops:
        options = ast.CompilationOptions()
        options.topModules = {top}
        options.paramOverrides = [f"{name}={value}" for name, value in parameters.items()]
        design = ast.Compilation(Bag([options]))
        files = {}
        for name, text in texts.items():
            tree = syntax.SyntaxTree.fromText(text, name=name)
            files[tree.root.sourceRange.start.buffer.id] = name
            design.addSyntaxTree(tree)

        def see(node: Any, files: dict[int, str] = files) -> None:
            if isinstance(node, ast.ConversionExpression) and not node.isImplicit:
                start, end = node.sourceRange.start, node.sourceRange.end
                found = adds if node.operand.type.bitWidth < node.type.bitWidth else cuts
                found.add((files[start.buffer.id], start.offset, end.offset))

        design.getRoot().visit(see)
    return adds - cuts
