"""The formats, one entry each; `lookup` finds them by name.

Grids are written as their papers print them. Integer codes are two's complement, floating-point codes are
sign and magnitude.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..bitmod_format import FORMATS as BITMOD
from ..bitmod_format import GROUP_SIZE
from ..errors import InputError
from .format import Format

E2M1 = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
FP3 = (0.0, 1.0, 2.0, 4.0)


def lookup(name: str) -> Format:
    """The format of that name.

    Raises:
        InputError: no such format.
    """
    if name not in FORMATS:
        raise InputError(f"no number format '{name}'", accepted=", ".join(FORMATS))
    return FORMATS[name]


def _signed(magnitudes: Sequence[float]) -> tuple[float, ...]:
    """Levels of sign-and-magnitude codes."""
    return (*magnitudes, *(-each for each in magnitudes))


def _integers(bits: int) -> tuple[float, ...]:
    """Levels of two's complement codes."""
    half = 1 << (bits - 1)
    return tuple(float(code if code < half else code - 2 * half) for code in range(2 * half))


def _without(code: int, count: int) -> tuple[int, ...]:
    return tuple(each for each in range(count) if each != code)


def _bitmod(bits: int) -> Format:
    """BitMoD: a basic grid and one of four special values under the code of the negative zero."""
    known = BITMOD[f"bitmod{bits}"]
    levels = tuple(tuple(float(value) / 2 for value in row) for row in known.values())
    source = "BitMoD, HPCA 2025, section III and table IV"
    return Format(known.name, "bitmod", bits, levels, known.codes, GROUP_SIZE, 2, f"BitMoD FP{bits}", source)


def _symmetric(bits: int) -> Format:
    """Integers −(2^(b−1)−1) … 2^(b−1)−1; the most negative code stays unused."""
    codes = _without(1 << (bits - 1), 1 << bits)
    title = f"INT{bits}, symmetric"
    return Format(
        f"int{bits}", "int", bits, (_integers(bits),), codes, GROUP_SIZE, 0, title, "BitMoD, section II-B"
    )


def _asymmetric(bits: int) -> Format:
    """Integers 0 … 2^b−1 less a zero point of b bits, which is the variant."""
    count = 1 << bits
    levels = tuple(tuple(float(code - zero) for code in range(count)) for zero in range(count))
    title = f"INT{bits}, asymmetric, clamped zero point"
    return Format(
        f"int{bits}-asym",
        "int-asym",
        bits,
        levels,
        tuple(range(count)),
        GROUP_SIZE,
        bits,
        title,
        "BitMoD, section II-B",
    )


def _float(bits: int, magnitudes: Sequence[float], title: str) -> Format:
    codes = _without(len(magnitudes), 2 * len(magnitudes))
    return Format(
        f"fp{bits}",
        "float",
        bits,
        (_signed(magnitudes),),
        codes,
        GROUP_SIZE,
        0,
        title,
        "BitMoD, table IV, basic grid",
    )


def _flint(bits: int, magnitudes: Sequence[float]) -> Format:
    """ANT-style: a tensor chooses among integers, flint and powers of two; groups keep their own scale."""
    half = 1 << (bits - 1)
    integers = tuple(float(each) for each in range(half))
    powers = (0.0, *(float(1 << each) for each in range(half - 1)))
    kinds = (integers, tuple(magnitudes), powers)
    levels = tuple(_signed(kind) for kind in dict.fromkeys(kinds))
    source = "after ANT, MICRO 2022, section IV: int, flint and power-of-two types"
    title = f"ANT-style {bits}-bit types"
    return Format(
        f"flint{bits}", "flint", bits, levels, _without(half, 2 * half), GROUP_SIZE, 0, title, source
    )


def _olive(bits: int, outliers: Sequence[float]) -> Format:
    """OliVe-style outlier–victim pairs; codes ≥ 2^b are an outlier's, beside the identifier of its victim.

    The bit above the code is not stored: it is set exactly where the pair's other code is the identifier,
    the most negative integer, which is worth 0.
    """
    count = 1 << bits
    victim = count >> 1
    normal = [0.0 if code == victim else level for code, level in enumerate(_integers(bits))]
    codes = (*_without(victim, count), *(count + each for each in range(count) if each % victim))
    levels = (*normal, *_signed((0.0, *outliers)))
    source = "after OliVe, ISCA 2023, sections III and IV: outlier–victim pairs, abfloat outliers"
    title = f"OliVe-style {bits}-bit pairs"
    return Format(f"olive{bits}", "olive", bits, (levels,), codes, GROUP_SIZE, 0, title, source)


def _mx(bits: int, magnitudes: Sequence[float], source: str) -> Format:
    codes = _without(len(magnitudes), 2 * len(magnitudes))
    title = f"MXFP{bits}, scales E8M0"
    return Format(f"mxfp{bits}", "mx", bits, (_signed(magnitudes),), codes, 32, 0, title, source)


def _nvfp4() -> Format:
    title = "NVFP4, scales E4M3 and one FP32 a tensor"
    return Format("nvfp4", "nv", 4, (_signed(E2M1),), _without(8, 16), 16, 0, title, "NVIDIA NVFP4")


def _named(formats: Iterable[Format]) -> dict[str, Format]:
    return {each.name: each for each in formats}


FORMATS: dict[str, Format] = _named(
    (
        _bitmod(4),
        _bitmod(3),
        *(_symmetric(bits) for bits in (8, 6, 5, 4, 3)),
        _asymmetric(4),
        _asymmetric(3),
        _float(4, E2M1, "FP4 (E2M1)"),
        _float(3, FP3, "FP3"),
        _flint(4, (0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 16.0)),
        _flint(3, (0.0, 1.0, 2.0, 4.0)),
        _olive(4, (12.0, 16.0, 24.0, 32.0, 48.0, 64.0, 96.0)),
        _olive(3, (6.0, 8.0, 12.0)),
        _mx(4, E2M1, "OCP Microscaling Formats v1.0, section 6.3"),
        _mx(3, FP3, "not in the OCP specification: BitMoD's FP3 grid under its scales, as BitMoD, table VI"),
        _nvfp4(),
    )
)
