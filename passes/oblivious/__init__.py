"""The pass ``oblivious``: what a model looks up by a private index, it looks up in an oblivious map.

``oblivious{private=input_ids}`` marks arguments of the entries as private (several: ``private=a+b``), follows
them to everything that is made from them, turns look-ups of rows into look-ups in the map of BOLT (arXiv
2509.01742), and refuses, all at once, every other use that who sees addresses or control flow could see.
``weights=private`` follows the parameters too: they are as private as the choice of whose they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ...ir.cascade import FUSED, walk
from ...ir.entries import BELOW, KIND, NAME, arguments, is_param, tables, text_attribute
from ...ir.errors import InputError, PassError, PrivateUses
from ...ir.lookup import PAGE_BYTES, value_bytes_most
from ...ir.mlir import func, ir
from ...ir.oblivious import LOOKUP, PRIVATE
from ...ir.steps import functions, is_entry, is_upstream
from ..base import Pass
from .lookups import find_sites, layout, rewrite
from .taint import Taint

_WHOLE = ("i64", "i32")
PUBLIC, HIDDEN = "public", "private"


@dataclass
class Oblivious(Pass):
    """Look-ups by private indices go through an oblivious map; other visible uses of them are refused.

    Attributes:
        private: names of arguments, joined by ``+``; those marked already are private too.
        weights: ``public``, or ``private`` where a private choice decides which parameters there are.
        page_bytes: the most a page of the map may have; 4096 is one burst of the accelerator.
        alpha: share of the map's bins that lie in HBM.
    """

    name: ClassVar[str] = "oblivious"
    description: ClassVar[str] = "look-ups by private indices through an oblivious map"

    private: str = ""
    weights: str = PUBLIC
    page_bytes: int = PAGE_BYTES
    alpha: float = 0.2

    def __post_init__(self) -> None:
        if self.weights not in (PUBLIC, HIDDEN):
            accepted = f"{PUBLIC} or {HIDDEN}"
            raise PassError(f"weights '{self.weights}'", where="oblivious{weights}", accepted=accepted)
        if self.page_bytes & (self.page_bytes - 1) or value_bytes_most(self.page_bytes) < 4:
            raise PassError(
                f"pages of {self.page_bytes} bytes", where="oblivious{page_bytes}", accepted="256, 512, …"
            )
        if not 0 <= self.alpha <= 1:
            raise PassError(f"alpha {self.alpha}", where="oblivious{alpha}", accepted="0 to 1")

    def run(self, module: ir.Module) -> ir.Module:
        """Mark, follow, refuse, rewrite.

        Raises:
            InputError: an argument that no entry has, or that is no index.
            PrivateUses: every use that would show a private value.
            PassError: the module is fused already.
        """
        if any(op.name == FUSED for op in walk(module.operation)):
            raise PassError("the module is fused already", where=self.name, accepted=f"{self.name},relabel,…")
        with ir.Location.unknown(module.context):
            sources = _sources(module, tuple(filter(None, self.private.split("+"))))
            if self.weights == HIDDEN:
                sources += _weights(module)
        taint = Taint(module)
        taint.follow(value for _, value in sources)
        sites, refused = find_sites(module, taint.values)
        if taint.uses or refused:
            named = ", ".join(dict.fromkeys(name for name, _ in sources))
            raise PrivateUses((*taint.uses, *refused), where=f"private {named}")
        with ir.Location.unknown(module.context):
            _mark(module, taint.values)
        if any(LOOKUP not in site.function.attributes for site in sites):
            rewrite(module, sites, *layout(sites, self.page_bytes, self.alpha))
        return module


def _sources(module: ir.Module, names: tuple[str, ...]) -> list[tuple[str, ir.Value]]:
    """The arguments of entries that are named, or marked already, with their names.

    Raises:
        InputError: a name that no entry has, or a tensor that holds no whole numbers.
    """
    found: list[tuple[str, ir.Value]] = []
    known: dict[str, bool] = {}
    for function in functions(module).values():
        if not is_entry(function):
            continue
        for value, table in zip(function.entry_block.arguments, arguments(function), strict=True):
            if text_attribute(table, KIND, "input") != "input":
                continue
            name = text_attribute(table, NAME, f"arg{value.arg_number}")
            known[name] = str(ir.RankedTensorType(value.type).element_type) in _WHOLE
            if name in names or PRIVATE in table:
                found.append((name, value))
    indices = ", ".join(name for name, whole in known.items() if whole) or "no input of this model"
    for name in names:
        if name not in known:
            raise InputError(f"no input '{name}' to be private", where="--private", accepted=indices)
        if not known[name]:
            raise InputError(f"'{name}' holds no indices", where="--private", accepted=indices)
    return found


def _weights(module: ir.Module) -> list[tuple[str, ir.Value]]:
    """The parameters of all entries, under one name."""
    return [
        ("weights", value)
        for function in functions(module).values()
        if is_entry(function)
        for value, table in zip(function.entry_block.arguments, arguments(function), strict=True)
        if is_param(table)
    ]


def _mark(module: ir.Module, values: set[ir.Value]) -> None:
    """Write on arguments, ops and results which are private."""
    mark = ir.UnitAttr.get()
    for function in functions(module).values():
        if is_upstream(function):
            continue
        ends = list(list(function.entry_block.operations)[-1].operation.operands)
        for kind, held in (("arg_attrs", list(function.entry_block.arguments)), ("res_attrs", ends)):
            flags = [value in values for value in held]
            if any(flags):
                function.attributes[kind] = _with_mark(function, kind, flags, mark)
        for op in function.entry_block.operations:
            if any(value in values for value in op.operation.results):
                op.operation.attributes[PRIVATE] = mark


def _with_mark(function: func.FuncOp, kind: str, flags: list[bool], mark: ir.Attribute) -> ir.ArrayAttr:
    merged = []
    for table, private in zip(tables(function, kind, len(flags)), flags, strict=True):
        # A private number out of range is not told from others: its look-up gives NaN.
        items = {each.name: each.attr for each in table if not (private and each.name == BELOW)}
        merged.append(ir.DictAttr.get({**items, PRIVATE: mark} if private else items))
    return ir.ArrayAttr.get(merged)
