"""Figures as people read them: three digits and the unit that fits."""

from __future__ import annotations

import math

_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_DECIMAL = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
_FRACTIONS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"), (1e-12, "ps"))


def size(count: float) -> str:
    """Bytes in binary units: ``1.5 MiB``."""
    power = min(int(math.log2(count) // 10), len(_BINARY) - 1) if count >= 1 else 0
    return f"{_digits(count / 1024**power)} {_BINARY[power]}"


def amount(count: float, unit: str = "") -> str:
    """A count in decimal units: ``12.3 Gflop``."""
    scale, prefix = next((pair for pair in _DECIMAL if abs(count) >= pair[0]), _DECIMAL[-1])
    return f"{_digits(count / scale)} {prefix}{unit}".rstrip()


def duration(seconds: float) -> str:
    """A time: ``4.2 ms``."""
    scale, unit = next((pair for pair in _FRACTIONS if seconds >= pair[0]), _FRACTIONS[-1])
    return f"{_digits(seconds / scale)} {unit}" if seconds else "0 s"


def scientific(value: float) -> str:
    """An error: ``3.1e-07``, and 0 as ``0``."""
    return f"{value:.1e}" if value else "0"


def ratio(value: float) -> str:
    """A quotient: ``3.4``."""
    return _digits(value)


def _digits(value: float) -> str:
    decimals = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
