"""Which tiles of the streamed rank matter to a block of rows, as C++: a mask's formula over intervals.

The formula (`cpu.kernels.masks`) is made of affine conditions ``index <= 0``. Over a tile an index lies
between the values at its corners: a tile is dead where the least value is positive in every way the formula
could hold, and whole where the largest is not positive.
"""

from __future__ import annotations

from ....ir.einsum import Index
from ...cpu.kernels.masks import All, Atom, Formula, ranks_of
from ..codegen.text import index_text
from .streamed import Streamed


def has_mask(cascade: Streamed) -> bool:
    """Whether anything is known of dead tiles."""
    return bool(ranks_of(cascade.formula))


def range_text(cascade: Streamed) -> list[str]:
    """``live_tiles``: the first tile that matters to rows `low` to `high`, and the one behind the last."""
    tiles = "(kExtent + kTile - 1) / kTile"
    first, end = _range(cascade.formula, cascade)
    outer = "".join(f"int {rank}, " for rank in cascade.outer)
    unused = "".join(f"  (void){rank};" for rank in cascade.outer)
    return [
        f"// Tiles of {cascade.key} in which a score of the rows low to high is not -inf.",
        "template <int kExtent, int kTile>",
        f"__device__ __forceinline__ void live_tiles({outer}int low, int high, int& first, int& end) {{",
        f"{unused}  (void)low;  (void)high;",
        f"  first = max(0, {first} / kTile);" if first != "0" else "  first = 0;",
        f"  end = min({tiles}, ({end} + kTile - 1) / kTile);" if end != "kExtent" else f"  end = {tiles};",
        "}",
    ]


def whole_text(cascade: Streamed) -> list[str]:
    """``all_live``: whether the mask hides nothing of rows `low` to `high`, keys `from` to `to`."""
    outer = "".join(f"int {rank}, " for rank in cascade.outer)
    unused = "".join(f"  (void){rank};" for rank in cascade.outer)
    return [
        "template <int kExtent>",
        f"__device__ __forceinline__ bool all_live({outer}int low, int high, int from, int to) {{",
        f"{unused}  (void)low;  (void)high;  (void)from;",
        f"  return to < kExtent && {_whole(cascade.formula, cascade)};",
        "}",
    ]


def block_text(cascade: Streamed) -> str:
    """Which block of rows a thread block has; all ranks share the grid's x, which alone may be large."""
    number = "static_cast<int>(blockIdx.x) % kBlocks"
    return f"kBlocks - 1 - {number}" if grows_with_rows(cascade) else number


def grows_with_rows(cascade: Streamed) -> bool:
    """Whether later rows see more keys, so that the last blocks should start first."""
    return has_mask(cascade) and "high" in _range(cascade.formula, cascade)[1]


def _range(formula: Formula, cascade: Streamed) -> tuple[str, str]:
    """First key that may be live, and the one behind the last; 0 to kExtent."""
    if isinstance(formula, Atom):
        return _atom(formula.index, cascade)
    pairs = [_range(part, cascade) for part in formula.parts]
    if not pairs:
        return ("0", "kExtent") if isinstance(formula, All) else ("kExtent", "0")
    low, high = ("max", "min") if isinstance(formula, All) else ("min", "max")
    first, end = pairs[0]
    for other, behind in pairs[1:]:
        first = _of(low, first, other, neutral="0" if low == "max" else "")
        end = _of(high, end, behind, neutral="kExtent" if high == "min" else "")
    return first, end


def _of(name: str, a: str, b: str, neutral: str) -> str:
    if neutral in (a, b):
        return b if a == neutral else a
    return f"{name}({a}, {b})"


def _atom(index: Index, cascade: Streamed) -> tuple[str, str]:
    """Where step·key + rest <= 0 for the smallest rest of the rows."""
    step = dict(index.terms).get(cascade.key, 0)
    rest = Index(tuple((rank, coeff) for rank, coeff in index.terms if rank != cascade.key), index.const)
    least = _corner(rest, cascade, largest=False)
    if step == 0:
        return "0", f"({least} <= 0 ? kExtent : 0)"
    if step > 0:
        behind = f"max(0, -({least}) / {step} + 1)" if step > 1 else f"max(0, 1 - ({least}))"
        return "0", f"({least} > 0 ? 0 : {behind})" if step > 1 else behind
    start = f"max(0, {least})" if step == -1 else f"max(0, ({least} + {-step - 1}) / {-step})"
    return start, "kExtent"


def _corner(index: Index, cascade: Streamed, *, largest: bool) -> str:
    """The least or largest value over rows `low` to `high` and keys `from` to `to`."""
    names = {cascade.block: ("low", "high"), cascade.key: ("from", "to")}
    terms = tuple(
        (names[rank][(coeff > 0) == largest] if rank in names else rank, coeff) for rank, coeff in index.terms
    )
    return index_text(Index(terms, index.const))


def _whole(formula: Formula, cascade: Streamed) -> str:
    if isinstance(formula, Atom):
        return f"{_corner(formula.index, cascade, largest=True)} <= 0"
    parts = [_whole(part, cascade) for part in formula.parts]
    if not parts:
        return "true" if isinstance(formula, All) else "false"
    joint = " && " if isinstance(formula, All) else " || "
    return f"({joint.join(parts)})"
