"""Papers' published figures beside ours: one module a paper; the published figures lie in ``published/``.

`reproduce` computes a paper's rows anew, or reads what took us long from ``stored/`` and says so; nothing
else is read back but what the authors published.
"""

from __future__ import annotations

from pathlib import Path

from ..ir.errors import InputError
from ..ir.files import write_text
from ..progress import Progress
from .rows import Check, Reproduction, Row, Section

__all__ = ["PAPERS", "Check", "Reproduction", "Row", "Section", "reproduce", "write_page"]

PAPERS = ("fusemax", "mallocgame", "memo", "bitmod", "sn40l", "bolt")


def reproduce(paper: str, *, full: bool = False, progress: Progress | None = None) -> Reproduction:
    """All figures of a paper, ours and published.

    Args:
        paper: one of `PAPERS`.
        full: compute what is otherwise read from a stored result.
        progress: told of what takes long.

    Raises:
        InputError: no such paper.
    """
    if paper not in PAPERS:
        raise InputError(f"no paper {paper!r}", where="penstock reproduce", accepted=", ".join(PAPERS))
    if paper == "bitmod":
        from . import bitmod

        return bitmod.reproduce()
    if paper == "mallocgame":
        from . import mallocgame

        return mallocgame.reproduce(full, progress)
    if paper == "bolt":
        from . import bolt

        return bolt.reproduce(full, progress)
    if paper == "memo":
        from . import memo

        return memo.reproduce()
    if paper == "sn40l":
        from . import sn40l

        return sn40l.reproduce()
    from . import fusemax

    return fusemax.reproduce()


def write_page(found: Reproduction, place: Path) -> Path:
    """Write a self-contained HTML page with the paper's plots, ours and published.

    Raises:
        BundleError: the place cannot be written to.
    """
    if found.paper == "bitmod":  # the plots need matplotlib, which takes a while to import
        from .bitmod_page import page
    elif found.paper == "mallocgame":
        from .mallocgame_page import page
    elif found.paper == "memo":
        from .memo_page import page
    elif found.paper == "bolt":
        from .bolt_page import page
    elif found.paper == "sn40l":
        from .sn40l_page import page
    else:
        from .fusemax_page import page
    write_text(place, page(found))
    return place
