"""Mutants of SystemVerilog: small edits of a module's behaviour, and one text to choose any of them in.

Edits are found in the syntax tree (pyslang), so that they never touch declarations, parameters, ranges or
loops. Two places get none because a change there is no fault: the width of a constant's cast (of literals and
parameters), which has bits to spare or else whose value the off-by-ones change; and what is assigned to a
signal named ``unused``, which nothing reads. `schema` writes all edits into the source at once, each behind
``mutant_pkg::active == number``: one Verilator build then serves every mutant, chosen when the simulation
starts by ``+mutant=NUMBER``.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pyslang import syntax

KINDS = ("operator", "constant", "condition", "width", "reset", "dropped", "wiring")
"""What a mutant changes; `sample` takes from each in turn."""

PACKAGE = """\
// Which mutant is awake: none without +mutant=NUMBER.
package mutant_pkg;
  function automatic int unsigned chosen();
    chosen = 0;
    void'($value$plusargs("mutant=%d", chosen));
  endfunction
  int unsigned active = chosen();
endpackage
"""

# Operator → those it is mistaken for.
BINARY = {
    "+": ("-",),
    "-": ("+",),
    "*": ("+",),
    "==": ("!=",),
    "!=": ("==",),
    "<": ("<=", ">="),
    "<=": ("<", ">"),
    ">": (">=", "<="),
    ">=": (">", "<"),
    "&&": ("||",),
    "||": ("&&",),
    "&": ("|",),
    "|": ("&",),
    "^": ("|", "~^"),
    "<<": (">>",),
    ">>": ("<<",),
    "<<<": (">>>",),
    ">>>": (">>", "<<<"),
}
UNARY = {"!": ("",), "~": ("",), "-": ("",), "|": ("&",), "&": ("|",)}

# Subtrees of elaboration, not of behaviour.
FIXED = {
    "ParameterDeclarationStatement",
    "ParameterValueAssignment",
    "DataDeclaration",
    "TypedefDeclaration",
    "PackageImportDeclaration",
    "ModuleHeader",
    "FunctionPrototype",
    "EventControlWithExpression",
    "NamedBlockClause",
    "ForVariableDeclaration",
    "ElabSystemTask",
    "InstanceName",
}
_CONSTANT = re.compile(r"(?:[\s()+*/-]|\d+|'[01]|\w+::[A-Z]\w*|\b[A-Z]\w*)+")
"""Of literals and parameters alone: in this style only those begin with a capital letter."""
_LITERAL = re.compile(r"(\d+)'(s?)([bdh])([0-9a-fA-F_]+)$")
_BASE = {"b": 2, "d": 10, "h": 16}


@dataclass(frozen=True)
class Edit:
    """One change of one module.

    Attributes:
        file: the source file's name.
        kind: one of `KINDS`.
        start: where the changed text begins, in characters.
        end: where it ends.
        before: the text that is replaced.
        after: what stands in its place.
        statement: whether it is a statement, not an expression.
        line: the source line it begins in, counted from 1.
        context: that line, stripped.
    """

    file: str
    kind: str
    start: int
    end: int
    before: str
    after: str
    statement: bool
    line: int
    context: str

    def applied(self, text: str) -> str:
        """The source with this change alone."""
        return text[: self.start] + self.after + text[self.end :]

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.kind}: {_short(self.before)} → {_short(self.after)}"


def _on_one_line(text: str) -> str:
    return " ".join(re.sub(r"//[^\n]*", "", text).split())


def _short(text: str) -> str:
    return "`" + " ".join(text.split()) + "`"


def edits(file: str, text: str) -> list[Edit]:
    """Every mutant of a source file, in the order of the text."""
    root = syntax.SyntaxTree.fromText(text).root
    found = [
        Edit(file, kind, start, end, text[start:end], after, statement, *_line(text, start))
        for kind, start, end, after, statement in _walk(root, text, False)
    ]
    return sorted(set(found), key=lambda edit: (edit.start, edit.end, edit.kind, edit.after))


def _line(text: str, at: int) -> tuple[int, str]:
    number = text.count("\n", 0, at) + 1
    return number, text.splitlines()[number - 1].strip()


Found = Iterator[tuple[str, int, int, str, bool]]


def _span(node: Any) -> tuple[int, int]:
    return node.sourceRange.start.offset, node.sourceRange.end.offset


def _kind(node: Any) -> str:
    return str(node.kind).rpartition(".")[2]


def _walk(node: Any, text: str, in_reset: bool) -> Found:
    """Mutants of a subtree; ``in_reset``: inside the branch a reset takes."""
    if isinstance(node, syntax.SyntaxNode) is False or _kind(node) in FIXED:
        return
    visit = _VISITORS.get(type(node).__name__, _visit_children)
    yield from visit(node, text, in_reset)


def _visit_children(node: Any, text: str, in_reset: bool) -> Found:
    for child in node:
        yield from _walk(child, text, in_reset)


def _visit_binary(node: Any, text: str, in_reset: bool) -> Found:
    operator = node.operatorToken.valueText
    kind = _kind(node)
    if kind.endswith("AssignmentExpression") and _text(node.left, text).startswith("unused"):
        return
    if kind == "NonblockingAssignmentExpression":
        yield from _register(node, text, in_reset)
        if not in_reset:
            yield from _walk(node.right, text, in_reset)
        return
    if kind.endswith("AssignmentExpression"):
        yield from _walk(node.right, text, in_reset)
        return
    start, end = _span(node)
    left, right = _text(node.left, text), _text(node.right, text)
    for other in BINARY.get(operator, ()):
        yield "operator", start, end, f"{left} {other} {right}", False
    yield from _walk(node.left, text, in_reset)
    yield from _walk(node.right, text, in_reset)


def _register(node: Any, text: str, in_reset: bool) -> Found:
    start, end = _span(node)
    if not in_reset:
        yield "dropped", start, end, "", True
        return
    yield "reset", start, end, "", True
    value = _text(node.right, text)
    wrong = {"'0": "'1", "1'b0": "1'b1", "1'b1": "1'b0"}.get(value, f"~({value})")
    if re.fullmatch(r"[\w:]+", value) and value[0].isalpha():
        return  # a state has no wrong value without a cast
    yield "reset", start, end, f"{_text(node.left, text)} <= {wrong}", True


def _visit_unary(node: Any, text: str, in_reset: bool) -> Found:
    start, end = _span(node)
    operand = _text(node.operand, text)
    for other in UNARY.get(node.operatorToken.valueText, ()):
        yield "operator", start, end, f"{other}{operand}" if other else f"({operand})", False
    yield from _walk(node.operand, text, in_reset)


def _visit_conditional(node: Any, text: str, in_reset: bool) -> Found:
    start, end = _span(node)
    condition, left, right = (_text(each, text) for each in (node.predicate, node.left, node.right))
    yield "condition", start, end, f"{condition} ? {right} : {left}", False
    yield from _visit_children(node, text, in_reset)


def _visit_if(node: Any, text: str, in_reset: bool) -> Found:
    condition = _text(node.predicate, text)
    resets = condition == "!rst_ni"
    if not resets:
        start, end = _span(node.predicate)
        yield "condition", start, end, f"!({condition})", False
        yield from _walk(node.predicate, text, in_reset)
    yield from _walk(node.statement, text, resets)
    yield from _walk(node.elseClause, text, in_reset)


def _visit_cast(node: Any, text: str, in_reset: bool) -> Found:
    """A width one bit short; types, constants and single bits are left alone."""
    start, end = _span(node)
    width, inner = _text(node.left, text), _text(node.right, text)
    fixed = width == "1" or width.endswith(("_t", "_e")) or _CONSTANT.fullmatch(inner)
    if _kind(node.left) != "ScopedName" and not fixed:
        # A width of one stays one: such a mutant shows under other parameters only.
        yield "width", start, end, f"({width})'(({width} > 1 ? {width} - 1 : 1)'{inner})", False
    yield from _walk(node.right, text, in_reset)


def _visit_select(node: Any, text: str, in_reset: bool) -> Found:
    """A slice one bit short, a zero in its place."""
    start, end = _span(node)
    whole = text[start:end]
    found = re.search(r"\[([^\[\]:]+?)(\+?)(?<!-):([^\[\]:]+)\]$", whole)
    if found and not text[end:].lstrip().startswith(("<=", "= ")):
        high, plus, low = found.groups()
        if plus:
            short = f"{whole[: found.start()]}[{high}+:({low}) - 1]"
        else:
            short = f"{whole[: found.start()]}[({high}) - 1:{low}]"
        yield "width", start, end, f"{{1'b0, {short}}}", False


def _visit_literal(node: Any, text: str, in_reset: bool) -> Found:
    start, end = _span(node)
    value = text[start:end]
    found = _LITERAL.match(value)
    if value in ("'0", "'1"):
        yield "constant", start, end, "'1" if value == "'0" else "'0", False
    elif found:
        width, sign, base, digits = found.groups()
        number, limit = int(digits.replace("_", ""), _BASE[base]), 1 << int(width)
        others = {(number + 1) % limit, (number - 1) % limit} - {number}
        for other in sorted(others):
            yield "constant", start, end, f"{width}'{sign}d{other}", False
    elif value.isdigit():
        for other in {int(value) + 1, max(int(value) - 1, 0)} - {int(value)}:
            yield "constant", start, end, str(other), False


def _visit_port(node: Any, text: str, in_reset: bool) -> Found:
    """An input inverted; outputs, clocks and resets are left alone."""
    name = node.name.valueText
    if name.endswith("_o") or name in ("clk_i", "rst_ni"):
        return
    start, end = _span(node)
    inner = re.fullmatch(r"\.\w+\s*\((.*)\)", text[start:end], re.S)
    if inner is None:
        # Only the name is written: the connection is spelled out, so that it can be an expression.
        yield "wiring", start, end, f".{name}(~({name}))", False
        return
    at = start + inner.start(1)
    yield "wiring", at, at + len(inner[1]), f"~({inner[1]})", False
    yield from _walk(node.expr, text, in_reset)


def _visit_call(node: Any, text: str, in_reset: bool) -> Found:
    """An argument of a function inverted."""
    for argument in node.arguments.parameters if node.arguments else ():
        if type(argument).__name__ == "OrderedArgumentSyntax":
            start, end = _span(argument)
            yield "wiring", start, end, f"~({text[start:end]})", False
            yield from _walk(argument, text, in_reset)


def _visit_case_item(node: Any, text: str, in_reset: bool) -> Found:
    yield from _walk(node.clause, text, in_reset)


def _visit_repeat(node: Any, text: str, in_reset: bool) -> Found:
    yield from _walk(node.concatenation, text, in_reset)


def _visit_loop(node: Any, text: str, in_reset: bool) -> Found:
    yield from _walk(node.statement, text, in_reset)


def _visit_generate_loop(node: Any, text: str, in_reset: bool) -> Found:
    yield from _walk(node.block, text, in_reset)


def _visit_generate_if(node: Any, text: str, in_reset: bool) -> Found:
    yield from _walk(node.block, text, in_reset)
    yield from _walk(node.elseClause, text, in_reset)


def _text(node: Any, text: str) -> str:
    start, end = _span(node)
    return text[start:end]


_VISITORS = {
    "BinaryExpressionSyntax": _visit_binary,
    "PrefixUnaryExpressionSyntax": _visit_unary,
    "ConditionalExpressionSyntax": _visit_conditional,
    "ConditionalStatementSyntax": _visit_if,
    "CastExpressionSyntax": _visit_cast,
    "IdentifierSelectNameSyntax": _visit_select,
    "LiteralExpressionSyntax": _visit_literal,
    "IntegerVectorExpressionSyntax": _visit_literal,
    "NamedPortConnectionSyntax": _visit_port,
    "InvocationExpressionSyntax": _visit_call,
    "StandardCaseItemSyntax": _visit_case_item,
    "MultipleConcatenationExpressionSyntax": _visit_repeat,
    "ForLoopStatementSyntax": _visit_loop,
    "LoopGenerateSyntax": _visit_generate_loop,
    "IfGenerateSyntax": _visit_generate_if,
}


def sample(found: Sequence[Edit], count: int, seed: int) -> list[Edit]:
    """At most ``count`` edits of a file, of every kind as evenly as there are any, in text order."""
    chance = random.Random(seed)
    pools: dict[str, list[Edit]] = defaultdict(list)
    for edit in found:
        pools[edit.kind].append(edit)
    for kind in KINDS:
        chance.shuffle(pools[kind])
    chosen: list[Edit] = []
    while len(chosen) < min(count, len(found)):
        for kind in KINDS:
            if pools[kind] and len(chosen) < count:
                chosen.append(pools[kind].pop())
    return sorted(chosen, key=lambda edit: (edit.start, edit.end, edit.after))


def schema(text: str, numbered: dict[int, Edit]) -> str:
    """The source with all these edits in it, each awake when ``mutant_pkg::active`` is its number.

    Inside an edit's own text nothing else is changed: one mutant is awake at a time. Lines stay.
    """
    places: dict[tuple[int, int, bool], list[int]] = defaultdict(list)
    for number, edit in numbered.items():
        places[edit.start, edit.end, edit.statement].append(number)

    def within(start: int, end: int) -> str:
        out, at = "", start
        for place in sorted(places, key=lambda each: (each[0], -each[1], not each[2])):
            if start <= place[0] and place[1] <= end and place[0] >= at and place in left:
                out += text[at : place[0]] + replaced(place)
                at = place[1]
        return out + text[at:end]

    def replaced(place: tuple[int, int, bool]) -> str:
        left.discard(place)
        start, end, statement = place
        inner = within(start, end)
        for number in places[place]:
            after = _on_one_line(numbered[number].after)
            awake = f"mutant_pkg::active == {number}"
            if numbered[number].before.startswith("."):
                name = numbered[number].before[1:]
                inner = f".{name}(({awake}) ? ~({name}) : ({name}))"
            elif statement:
                inner = f"if ({awake}) begin {after}{';' if after else ''} end else {inner}"
            else:
                inner = f"(({awake}) ? ({after}) : ({inner}))"
        return inner

    left = set(places)
    done = within(0, len(text))
    assert not left, "edits overlap without one holding the other"
    return done
