"""The kinds of design that are emitted: how each is driven and compared, by its name in ``design.json``."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ...ir.errors import BundleError
from . import bitmod, bitmod_result, fusemax
from .compare import SimResult
from .design import Design, describe
from .sn40l_section import design as sn40l


@dataclass(frozen=True)
class Kind:
    """A kind of design: the class that drives and compares it, and the class of its results."""

    design: type[Design]
    result: type[SimResult]


KINDS = {
    bitmod.KIND: Kind(bitmod.ChainDesign, bitmod_result.ChainResult),
    fusemax.KIND: Kind(fusemax.AttentionDesign, fusemax.AttentionResult),
    sn40l.KIND: Kind(sn40l.SectionDesign, sn40l.SectionResult),
}


def load(folder: str | os.PathLike[str]) -> Design:
    """Read a design of any kind.

    Raises:
        BundleError: missing, damaged, of another schema version, or of a kind that is not known.
    """
    name = describe(folder).get("design")
    if name not in KINDS:
        raise BundleError(f"a design of kind {name!r}", where=str(folder), accepted=", ".join(KINDS))
    return KINDS[name].design.load(folder)
