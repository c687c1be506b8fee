"""A harness: ``cascade.fused`` ops from Einsum texts, compiled for an instruction set and called.

Test modules list their groups as dictionaries of `Case` fields (with `reference`: the outputs expected)
and ask the fixture `compiled` for a `Library`: all groups of a module in one shared object.
"""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.backends.cpu.isa import ISAS
from penstock.backends.cpu.kernels import Kernel, Pack, emit_kernel, lower, pack
from penstock.ir.build import build_einsum, build_region_op, build_yield, tensor_type
from penstock.ir.cascade import FUSED, ITERATE
from penstock.ir.einsum import Einsum
from penstock.ir.mlir import ir
from penstock.ir.module import context
from penstock.ir.targets.host import detect

ELEMENTS = {
    "float32": "f32",
    "float64": "f64",
    "uint16": "bf16",
    "int64": "i64",
    "int32": "i32",
    "bool": "i1",
}
DTYPES = {name: dtype for dtype, name in ELEMENTS.items()}


@dataclass(frozen=True)
class Loop:
    """A ``cascade.iterate``: carried (name, start, end) triples around a body of Einsums."""

    rank: str
    extent: int
    tile_rank: str
    tile: int
    carried: Sequence[tuple[str, str, str]]
    body: Sequence[str]


@dataclass(frozen=True)
class Case:
    """One fused group: Einsums (or loops), inputs by name, outputs by name."""

    name: str
    program: Sequence[str | Mapping[str, Any]]
    inputs: Mapping[str, np.ndarray]
    outputs: Sequence[str]
    reference: Sequence[np.ndarray]
    order: str = ""
    parallel: int = 0
    tiles: Sequence[str] = ()
    params: Sequence[str] = ()
    shapes: Mapping[str, Sequence[int]] = field(default_factory=dict)
    elements: Mapping[str, str] = field(default_factory=dict)


def build(case: Case) -> ir.Operation:
    """The group as an op in a module of its own (kept alive by the op)."""
    with context(), ir.Location.unknown():
        module = ir.Module.create()
        kinds = [tensor_type(a.shape, ELEMENTS[str(a.dtype)]) for a in case.inputs.values()]
        with ir.InsertionPoint(module.body):
            sources = [ir.Operation.create("test.input", [kind]).results[0] for kind in kinds]
            results = _types(case)
            text = {
                "kernel": case.name, "passes_before": 1, "passes_after": 1, "over": "",
                "rank_order": case.order.split(), "parallel": case.parallel, "tiles": list(case.tiles),
                "footprint_before": "", "footprint_after": "", "rewrites": [], "derivation": [],
            }  # fmt: skip
            op, block = build_region_op(FUSED, sources, results, text)
        with ir.InsertionPoint(block):
            values = dict(zip(case.inputs, block.arguments, strict=True))
            _fill(case, case.program, values)
            build_yield([values[name] for name in case.outputs])
        module.operation.verify()
    _alive.append(module)
    return op


_alive: list[ir.Module] = []


def _types(case: Case) -> list[ir.Type]:
    """Output types: built once in a scratch block, since the notation knows them."""
    scratch = ir.Module.create()
    kinds = [tensor_type(a.shape, ELEMENTS[str(a.dtype)]) for a in case.inputs.values()]
    with ir.InsertionPoint(scratch.body):
        values = {
            name: ir.Operation.create("test.input", [kind]).results[0]
            for name, kind in zip(case.inputs, kinds, strict=True)
        }
        _fill(case, case.program, values)
        types = [values[name].type for name in case.outputs]
    return types


def _fill(case: Case, program: Sequence[str | Mapping[str, Any]], values: dict[str, ir.Value]) -> None:
    for item in program:
        if isinstance(item, str):
            einsum = Einsum.parse(item)
            name = einsum.output.tensor
            operands = [values[access.tensor] for access in einsum.accesses]
            values[name] = build_einsum(
                einsum, operands, shape=case.shapes.get(name), element=case.elements.get(name)
            )
            continue
        loop = Loop(**item)
        starts = [values[start] for _, start, _ in loop.carried]
        attributes = {
            "rank": loop.rank, "generations": -(-loop.extent // loop.tile), "split": loop.tile_rank[:1],
            "extent": loop.extent, "tile_rank": loop.tile_rank, "tile": loop.tile, "until": "at the end",
        }  # fmt: skip
        op, block = build_region_op(ITERATE, starts, [start.type for start in starts], attributes)
        with ir.InsertionPoint(block):
            inner = dict(values)
            inner.update(zip((name for name, _, _ in loop.carried), block.arguments, strict=True))
            _fill(case, loop.body, inner)
            build_yield([inner[end] for _, _, end in loop.carried])
        for (name, _, _), result in zip(loop.carried, op.results, strict=True):
            values[name] = result


class Library:
    """Several cases compiled into one shared library for one instruction set."""

    def __init__(self, cases: Sequence[Case], isa: str) -> None:
        self.isa = isa
        self.cases = {case.name: case for case in cases}
        self.kernels: dict[str, Kernel] = {}
        self.results: dict[str, list[ir.Type]] = {}
        for case in cases:
            op = build(case)
            self.results[case.name] = [result.type for result in op.results]
            params = [name in case.params for name in case.inputs]
            self.kernels[case.name] = emit_kernel(op, case.name, ISAS[isa], params)
        data = lower([kernel.mlir for kernel in self.kernels.values()], ISAS[isa])
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder)
            (path / "k.o").write_bytes(data)
            subprocess.run(["cc", "-shared", "-o", path / "k.so", path / "k.o", "-lm"], check=True)
            self.library = ctypes.CDLL(str(path / "k.so"))

    def run(self, name: str, threads: int = 1, together: bool = False) -> list[np.ndarray]:
        """Outputs of a case, its tiles dealt to that many threads: one after another, or at once."""
        case, kernel = self.cases[name], self.kernels[name]
        arrays = []
        for place, array in enumerate(case.inputs.values()):
            spec = kernel.packs.get(place)
            arrays.append(aligned(pack(array, spec) if isinstance(spec, Pack) else array))
        for kind in self.results[name]:
            ranked = ir.RankedTensorType(kind)
            dtype = DTYPES[str(ranked.element_type)]
            poison = np.full(tuple(ranked.shape), 77, dtype)
            arrays.append(aligned(poison))
        scratch = [aligned(np.full(kernel.scratch_bytes, 0x7F, np.uint8)) for _ in range(threads)]
        pointers = [ctypes.c_void_p(array.ctypes.data) for array in arrays]
        call = getattr(self.library, kernel.symbol)
        call.restype = None

        def turn(thread: int) -> None:
            own = ctypes.c_void_p(scratch[thread].ctypes.data)
            call(*pointers, own, ctypes.c_int64(thread), ctypes.c_int64(threads))

        if together:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(turn, range(threads)))
        else:
            for thread in range(threads):
                turn(thread)
        return arrays[len(case.inputs) :]


def aligned(array: np.ndarray) -> np.ndarray:
    """A 64-byte aligned, contiguous copy."""
    room = np.zeros(array.nbytes + 64, np.uint8)
    start = -room.ctypes.data % 64
    view = room[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    view[...] = array
    return view


# With bf16 instructions the code for other types is no other: only modules about bf16 ask for that too.
PLAIN = [name for name, isa in ISAS.items() if not isa.bf16]


def runs_here(isa: str) -> None:
    """Skip what this machine has no instructions for."""
    if list(ISAS).index(isa) < list(ISAS).index(detect().isa):
        pytest.skip(f"this machine has no {isa}")


@pytest.fixture(scope="module", params=PLAIN)
def compiled(request: pytest.FixtureRequest) -> Library:
    """The module's ``CASES`` compiled for one instruction set."""
    return Library([Case(**case) for case in request.module.CASES], request.param)


@pytest.fixture(scope="session")
def close() -> Callable[[np.ndarray, np.ndarray, float], None]:
    """Asserts ‖out - reference‖ ≤ bound·‖reference‖, with NaN and infinities in the same places."""

    def check(out: np.ndarray, reference: np.ndarray, bound: float) -> None:
        wanted = np.asarray(reference).astype(out.dtype).astype(np.float64)
        found = out.astype(np.float64)
        finite = np.isfinite(wanted)
        np.testing.assert_array_equal(found[~finite], wanted[~finite])
        assert np.isfinite(found[finite]).all()
        error = np.linalg.norm(found[finite] - wanted[finite])
        assert error <= bound * np.linalg.norm(wanted[finite]) + 1e-30

    return check
