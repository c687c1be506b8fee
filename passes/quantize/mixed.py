"""Mixed precision: which layer gets which format, for an average number of bits.

A layer's sensitivity to a format is the relative squared error of its outputs on calibration data, or of
its weights where there is none. The sum over layers is minimised under the budget, exactly, by OR-Tools.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from numpy.typing import NDArray
from ortools.linear_solver import pywraplp

from ...ir.errors import InputError, PlanError
from ...ir.formats import lookup
from ...ir.mlir import ir
from ...ir.quantized import Quantization, quantized_params
from .calibration import Calibration
from .fake import fake_quantize
from .mark import mark, quantization

WIDTHS = ("bitmod3", "bitmod4", "int6", "int8")
"""The formats that BitMoD's processing elements take (HPCA 2025, section IV-A)."""


@dataclass(frozen=True)
class Option:
    """A layer in one format.

    Attributes:
        format: its name.
        bits: average storage per weight, group metadata included.
        loss: the sensitivity measure.
    """

    format: str
    bits: float
    loss: float


@dataclass(frozen=True)
class Assignment:
    """The formats chosen.

    Attributes:
        formats: per layer, the name.
        loss: sum of the layers' losses.
        bits_per_weight: the average over all weights.
    """

    formats: Mapping[str, str]
    loss: float
    bits_per_weight: float


def sensitivity(
    weights: NDArray, formats: Sequence[str], calibration: Calibration | None = None
) -> list[Option]:
    """What a layer loses in each of some formats, with eight-bit group scales.

    Args:
        weights: ``[N, D]``.
        formats: names.
        calibration: the layer's inputs; the weights' own error counts when None.

    Raises:
        InputError: what `fake_quantize` refuses, or a calibration of another layer.
    """
    options = []
    for name in formats:
        bits = None if lookup(name).native_scale else 8
        quantized = fake_quantize(weights, name, scale_bits=bits)
        if calibration is None:
            loss = quantized.mse(weights)
        else:
            loss = calibration.error(weights, quantized.dequantize())
        options.append(Option(name, quantized.bits_per_weight, loss))
    return options


def assign(
    options: Mapping[str, Sequence[Option]], sizes: Mapping[str, int], average_bits: float
) -> Assignment:
    """The formats of least total loss within a budget; of equally good ones the smaller.

    Args:
        options: per layer, what it may be stored as.
        sizes: per layer, its number of weights.
        average_bits: bits per weight, averaged over all weights, not to be exceeded.

    Raises:
        InputError: no layers, no options, or losses that are no numbers ≥ 0.
        PlanError: the smallest formats together exceed the budget; the message says by what.
    """
    _check(options, sizes)
    useful = {name: _useful(row) for name, row in options.items()}
    total = sum(sizes[name] for name in options)
    least = sum(Fraction(row[0].bits) * sizes[name] for name, row in useful.items())
    capacity = Fraction(average_bits) * total
    if least > capacity:
        raise PlanError(
            f"no choice of formats averages {average_bits} bits per weight",
            accepted=f"at least {float(least / total):.4f}, or smaller formats",
        )
    picked = _solve(useful, sizes, capacity)
    stored = sum(Fraction(each.bits) * sizes[name] for name, each in picked.items())
    return Assignment(
        {name: each.format for name, each in picked.items()},
        sum(each.loss for each in picked.values()),
        float(stored / total),
    )


def budget(text: str | None) -> float | None:
    """The average number of bits asked for as ``bits=4.5``; None where a format or nothing is named.

    Raises:
        InputError: bits that are no number above 0.
    """
    if text is None or not text.startswith("bits="):
        return None
    try:
        bits = float(text.removeprefix("bits="))
    except ValueError:
        bits = 0.0
    if not 0 < bits < math.inf:
        raise InputError(f"'{text}' is no number of bits", accepted="bits=4.5, or a format")
    return bits


def mix(
    module: ir.Module, params: Mapping[str, NDArray], average_bits: float, formats: Sequence[str] = WIDTHS
) -> Assignment:
    """Give each quantized parameter of a module one of some formats; tied ones the same.

    Args:
        module: its marks are changed in place; groups and scales become the formats' own.
        params: values by name.
        average_bits: over all quantized weights.
        formats: to choose from.

    Raises:
        InputError: a parameter without values, or an unknown format.
        PlanError: a budget below the smallest formats.
    """
    names: dict[str, list[tuple[str, Quantization]]] = {}
    options: dict[str, list[Option]] = {}
    sizes: dict[str, int] = {}
    first: dict[object, str] = {}
    for name, given, _ in quantized_params(module):
        if name not in params:
            raise InputError("the parameter has no value", where=name, accepted="an array to quantize")
        array = params[name]
        key = (array.ctypes.data, array.shape, array.strides, given.channels)
        leader = first.setdefault(key, name)
        if leader == name:
            options[name], sizes[name] = sensitivity(given.matrix(array), formats), array.size
        names.setdefault(leader, []).append((name, given))
    found = assign(options, sizes, average_bits)
    marks = {
        name: quantization(lookup(chosen), given.channels)
        for leader, chosen in found.formats.items()
        for name, given in names[leader]
    }
    mark(module, marks)
    return found


def _check(options: Mapping[str, Sequence[Option]], sizes: Mapping[str, int]) -> None:
    if not options:
        raise InputError("no layers to choose formats for", accepted="at least one")
    for name, row in options.items():
        if not row or sizes.get(name, 0) < 1:
            raise InputError("no formats or no weights", where=name, accepted="at least one of each")
        if not all(0 <= each.loss < float("inf") and 0 < each.bits < 1024 for each in row):
            raise InputError("a loss or a number of bits is no finite number from 0 on", where=name)


def _useful(row: Sequence[Option]) -> list[Option]:
    """The options no other beats in bits without losing more, small ones first."""
    kept: list[Option] = []
    for each in sorted(row, key=lambda each: (each.bits, each.loss)):
        if not kept or each.loss < kept[-1].loss:
            kept.append(each)
    return kept


def _solve(
    options: Mapping[str, Sequence[Option]], sizes: Mapping[str, int], capacity: Fraction
) -> dict[str, Option]:
    """Per layer one option, by SCIP."""
    solver = pywraplp.Solver.CreateSolver("SCIP")
    # Whole bits, divided by what all have in common, are told apart at this tolerance.
    solver.SetSolverSpecificParametersAsString("numerics/feastol = 1e-9\nrandomization/randomseedshift = 0\n")
    largest = max(each.loss for row in options.values() for each in row) or 1.0
    stored = {name: [Fraction(each.bits) * sizes[name] for each in row] for name, row in options.items()}
    every = [size for row in stored.values() for size in row]
    denominator = math.lcm(*(size.denominator for size in every))
    unit = Fraction(denominator, math.gcd(*(int(size * denominator) for size in every)))
    room = solver.Constraint(-solver.infinity(), int(capacity * unit))
    objective = solver.Objective()
    taken = {}
    for name, row in options.items():
        one = solver.Constraint(1, 1)
        for place, each in enumerate(row):
            taken[name, place] = variable = solver.BoolVar(f"{name}: {each.format}")
            one.SetCoefficient(variable, 1)
            room.SetCoefficient(variable, int(stored[name][place] * unit))
            objective.SetCoefficient(variable, each.loss / largest)
    objective.SetMinimization()
    if solver.Solve() != pywraplp.Solver.OPTIMAL:
        raise PlanError("the solver stopped before the best choice was known")
    return {
        name: next(each for place, each in enumerate(row) if taken[name, place].solution_value() > 0.5)
        for name, row in options.items()
    }
