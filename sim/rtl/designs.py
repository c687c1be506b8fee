"""The kinds of design that are emitted: how each is driven and compared, by its name in ``design.json``."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ...ir.errors import BundleError
from . import bitmod, bitmod_result, fusemax
from .bolt_result import LookupResult
from .compare import SimResult
from .design import Design, describe
from .sn40l_section import design as sn40l


@dataclass(frozen=True)
class Kind:
    """A kind of design: the class that drives and compares it (None: a program does), and of its results."""

    design: type[Design] | None
    result: type[SimResult]


KINDS = {
    bitmod.KIND: Kind(bitmod.ChainDesign, bitmod_result.ChainResult),
    fusemax.KIND: Kind(fusemax.AttentionDesign, fusemax.AttentionResult),
    sn40l.KIND: Kind(sn40l.SectionDesign, sn40l.SectionResult),
    LookupResult.design: Kind(None, LookupResult),
}


def load(folder: str | os.PathLike[str]) -> Design:
    """Read a design of any kind.

    Raises:
        BundleError: missing, damaged, of another schema version, or of a kind that is not known.
    """
    name = describe(folder).get("design")
    kind = KINDS[name].design if name in KINDS else None
    if kind is None:
        accepted = ", ".join(each for each, held in KINDS.items() if held.design)
        raise BundleError(f"a design of kind {name!r}", where=str(folder), accepted=accepted)
    return kind.load(folder)
