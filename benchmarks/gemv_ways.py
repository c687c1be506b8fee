"""The ways cpu_gemv.py compares, each a process of its own so that no pool of threads disturbs another.

Run by cpu_gemv.py: ``python gemv_ways.py WAY N D CYCLE_BYTES [LIBRARY]``. A process makes as many copies of
one weight matrix as fill CYCLE_BYTES (or one, for 0: it stays in a cache), prints one JSON line about them,
then for every line it is given, a number of threads, multiplies by each copy once, `Problem.window` copies
between two looks at the clock, and prints the seconds of one multiplication for each window.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

GROUP = 128
WINDOW = 4
CACHED_SAMPLES = 20
DISTINCT_ROWS = 512
"""Rows that are quantized, and repeated: the kernels' time does not depend on values."""


@dataclass(frozen=True)
class Problem:
    """One GEMV: weights ``[n, d]``, an activation ``[d]``, and bytes of weights to cycle over; 0 bytes for
    one copy that is multiplied by again and again."""

    n: int
    d: int
    cycle_bytes: int

    @property
    def window(self) -> int:
        """Multiplications between two looks at the clock."""
        return WINDOW if self.cycle_bytes else 1

    def distinct(self) -> np.ndarray:
        """The first rows of the weights, of which the others are repetitions."""
        return np.random.default_rng(0).standard_normal((min(self.n, DISTINCT_ROWS), self.d), np.float32)

    def fill(self, few: np.ndarray) -> np.ndarray:
        """Rows repeated to as many as the matrix has."""
        return few[np.arange(self.n) % len(few)]

    def activation(self) -> np.ndarray:
        return np.random.default_rng(1).standard_normal(self.d).astype(np.float32)

    def copies(self, size: int) -> int:
        """How many copies of that many bytes, in whole windows."""
        return max(2, -(-self.cycle_bytes // (size * WINDOW))) * WINDOW if self.cycle_bytes else 1


Window = Callable[[int], object]
"""Multiplies with so many threads."""


@dataclass(frozen=True)
class Way:
    """A multiplication set up.

    Attributes:
        windows: calls that multiply by the next `Problem.window` copies each, with some threads.
        copies: of the weights.
        bytes: of one copy.
        output: for comparison, ``[n]`` or its first rows.
        stands_for: the weights the kernel's numbers stand for, float64, the first rows of them.
        prepare: called before multiplications with other threads than those before.
    """

    windows: list[Window]
    copies: int
    bytes: int
    output: np.ndarray
    stands_for: np.ndarray
    prepare: Callable[[int], object] = int

    def sweep(self, threads: int) -> list[float]:
        """Seconds of one multiplication, for each window."""
        seconds = []
        for window in self.windows if len(self.windows) > 1 else self.windows * CACHED_SAMPLES:
            start = time.perf_counter()
            window(threads)
            seconds.append((time.perf_counter() - start) * len(self.windows) / self.copies)
        return seconds


def in_windows(calls: list[Window]) -> list[Window]:
    def window(some: list[Window], threads: int) -> None:
        for call in some:
            call(threads)

    size = WINDOW if len(calls) > 1 else 1
    return [partial(window, calls[i : i + size]) for i in range(0, len(calls), size)]


def read_way(how: int) -> Callable[[Problem], Way]:
    """The roof: memory is read and added up, in one of the orders of stream_read.c."""
    return lambda problem: _read(problem, how)


def _read(problem: Problem, how: int) -> Way:
    from penstock.backends import cpu
    from penstock.backends.cpu.loader import aligned_array

    runtime = Path(cpu.__path__[0]) / "runtime"
    sources = [Path(__file__).with_name("stream_read.c"), runtime / "team.c", runtime / "observe.c"]
    with tempfile.TemporaryDirectory() as folder:
        command = ["cc", "-O3", "-fPIC", "-shared", "-pthread", f"-I{runtime}", "-o", f"{folder}/read.so"]
        subprocess.run([*command, *map(str, sources)], check=True)
        library = ctypes.CDLL(f"{folder}/read.so")
    library.stream_read.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int)
    size = problem.n * problem.d // 2  # as much as four-bit weights
    lines = aligned_array((problem.copies(size), size), "uint8")
    lines[:] = 1

    def run(piece: np.ndarray, threads: int) -> None:
        library.stream_read(threads, piece.ctypes.data, piece.size // 64, how)

    calls = [partial(run, piece) for piece in lines]
    return Way(in_windows(list(calls)), len(lines), size, np.ones(1), np.ones((1, problem.d)))


def penstock_way(form: str, activations: str, isa: str | None = None) -> Callable[[Problem], Way]:
    def make(problem: Problem) -> Way:
        from penstock.backends.cpu.packed import PackedLinear
        from penstock.passes.quantize import quantize

        few = quantize(problem.distinct(), form)
        weights = replace(
            few,
            codes=problem.fill(few.codes),
            special=problem.fill(few.special),
            group_scale=problem.fill(few.group_scale),
            channel_scale=problem.fill(few.channel_scale),
        )
        first = PackedLinear(weights, activations=activations, isa=isa)
        count = problem.copies(first.image.size)
        layers = [first]
        layers += [
            PackedLinear(first.image.copy(), activations=activations, isa=isa) for _ in range(count - 1)
        ]
        x, y = problem.activation()[None], np.empty((1, problem.n), np.float32)
        calls = [lambda threads, layer=layer: layer(x, threads=threads, out=y) for layer in layers]
        output = first(x, threads=1)[0]
        return Way(in_windows(list(calls)), count, first.image.size, output, few.dequantize())

    return make


def torch_way(kind: str) -> Callable[[Problem], Way]:
    def make(problem: Problem) -> Way:
        import torch
        import torch.nn.functional as F

        torch.set_grad_enabled(False)
        few = torch.from_numpy(problem.distinct()).to(getattr(torch, kind))
        weights = few[torch.arange(problem.n) % len(few)]
        x = torch.from_numpy(problem.activation())[None].to(weights.dtype)
        size = weights.element_size() * weights.numel()
        copies = [weights.clone() for _ in range(problem.copies(size))]
        calls = [lambda _, each=each: F.linear(x, each) for each in copies]
        output = F.linear(x, weights)[0].float().numpy()
        return Way(
            in_windows(list(calls)), len(copies), size, output, few.double().numpy(), torch.set_num_threads
        )

    return make


def int4(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Symmetric int4 by group: codes 0..15 around 8, ``[n, groups, 128]``, and scales ``[n, groups]``."""
    groups = weights.reshape(len(weights), -1, GROUP)
    scale = np.abs(groups).max(axis=2, keepdims=True) / 7
    codes = np.clip(np.rint(groups / scale) + 8, 0, 15).astype(np.uint8)
    return codes, scale[..., 0].astype(np.float32)


def onnxruntime_way(problem: Problem) -> Way:
    """MatMulNBits with int8 activations (accuracy level 4); a window is a model of as many nodes."""
    codes, few_scales = int4(problem.distinct())
    packed, scale = problem.fill(codes[..., ::2] | codes[..., 1::2] << 4), problem.fill(few_scales)
    count = problem.copies(packed.size + scale.nbytes)
    x = {"x": problem.activation()[None]}
    starts = range(0, count, problem.window)
    sessions: dict[int, list[Any]] = {}

    def prepare(threads: int) -> None:
        if threads not in sessions:
            sessions[threads] = [
                _onnx_session(problem, threads, np.roll(packed, i, axis=0), np.roll(scale, i, axis=0))
                for i in starts
            ]

    prepare(1)
    output = np.asarray(sessions[1][0].run(["y0"], x)[0])[0]
    stands_for = ((codes.astype(np.float64) - 8) * few_scales[..., None]).reshape(len(codes), -1)
    windows = [lambda threads, i=i: sessions[threads][i].run(None, x) for i in range(len(starts))]
    return Way(list(windows), count, packed.size + scale.nbytes, output, stands_for, prepare)


def _onnx_session(problem: Problem, threads: int, packed: np.ndarray, scale: np.ndarray) -> Any:
    onnx, onnxruntime = importlib.import_module("onnx"), importlib.import_module("onnxruntime")
    helper, kinds = onnx.helper, onnx.TensorProto
    nodes, tensors, outputs = [], [], []
    for i in range(problem.window):
        rolled = np.roll(packed, i, axis=0).tobytes()  # of equal weights it keeps one
        tensors.append(helper.make_tensor(f"b{i}", kinds.UINT8, packed.shape, rolled, raw=True))
        rolled = np.roll(scale, i, axis=0).tobytes()
        tensors.append(helper.make_tensor(f"s{i}", kinds.FLOAT, [scale.size], rolled, raw=True))
        sizes = {"K": problem.d, "N": problem.n, "bits": 4, "block_size": GROUP, "accuracy_level": 4}
        names = ["x", f"b{i}", f"s{i}"]
        nodes.append(helper.make_node("MatMulNBits", names, [f"y{i}"], domain="com.microsoft", **sizes))
        outputs.append(helper.make_tensor_value_info(f"y{i}", kinds.FLOAT, [1, problem.n]))
    given = helper.make_tensor_value_info("x", kinds.FLOAT, [1, problem.d])
    graph = helper.make_graph(nodes, "gemv", [given], outputs, tensors)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "1")
    return onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])


class _GgmlParams(ctypes.Structure):
    """``ggml_init_params``."""

    _fields_ = [("mem_size", ctypes.c_size_t), ("mem_buffer", ctypes.c_void_p), ("no_alloc", ctypes.c_bool)]


GGML_F32 = 0
GGML_QUANTIZED_ROWS = 64


def ggml_way(number: int, path: str) -> Callable[[Problem], Way]:
    """A type of llama.cpp's, by its number in ggml.h; a window is a graph of as many nodes.

    Its quantizers take long, so some rows are quantized and repeated.
    """

    def make(problem: Problem) -> Way:
        ggml = _ggml(path)
        rows = problem.distinct()[:GGML_QUANTIZED_ROWS]
        row_size = ggml.ggml_row_size(number, problem.d)
        few = np.empty((len(rows), row_size), np.uint8)
        ggml.ggml_quantize_chunk(number, rows.ctypes.data, few.ctypes.data, 0, len(rows), problem.d, None)
        every = np.tile(few, (-(-problem.n // len(few)), 1))[: problem.n]
        count = problem.copies(every.size)
        room = count * (every.size + problem.n * 4 + 4096) + (1 << 30)  # every run takes some
        context = ggml.ggml_init(_GgmlParams(room, None, False))
        x = ggml.ggml_new_tensor_1d(context, GGML_F32, problem.d)
        _fill(ggml, x, problem.activation())
        graphs, results = [], []
        for i in range(count):
            if i % problem.window == 0:
                graphs.append(ggml.ggml_new_graph(context))
            weights = ggml.ggml_new_tensor_2d(context, number, problem.d, problem.n)
            _fill(ggml, weights, every)
            results.append(ggml.ggml_mul_mat(context, weights, x))
            ggml.ggml_build_forward_expand(graphs[-1], results[-1])
        compute = ggml.ggml_graph_compute_with_ctx
        windows = [lambda threads, graph=graph: compute(context, graph, threads) for graph in graphs]
        windows[0](1)
        output = np.empty(len(rows), np.float32)
        ctypes.memmove(output.ctypes.data, ggml.ggml_get_data(results[0]), output.nbytes)
        return Way(list(windows), count, every.size, output, _ggml_weights(ggml, number, few, problem.d))

    return make


def _ggml(path: str) -> ctypes.CDLL:
    ggml = ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL)
    pointer, int64, kind = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int
    signatures = {
        "ggml_init": (pointer, _GgmlParams),
        "ggml_row_size": (ctypes.c_size_t, kind, int64),
        "ggml_quantize_chunk": (ctypes.c_size_t, kind, pointer, pointer, int64, int64, int64, pointer),
        "ggml_new_tensor_1d": (pointer, pointer, kind, int64),
        "ggml_new_tensor_2d": (pointer, pointer, kind, int64, int64),
        "ggml_get_data": (pointer, pointer),
        "ggml_mul_mat": (pointer, pointer, pointer, pointer),
        "ggml_new_graph": (pointer, pointer),
        "ggml_build_forward_expand": (None, pointer, pointer),
        "ggml_graph_compute_with_ctx": (kind, pointer, pointer, kind),
        "ggml_get_rows": (pointer, pointer, pointer, pointer),
    }
    for name, (result, *arguments) in signatures.items():
        function = getattr(ggml, name)
        function.restype, function.argtypes = result, tuple(arguments)
    return ggml


def _fill(ggml: ctypes.CDLL, tensor: int, array: np.ndarray) -> None:
    array = np.ascontiguousarray(array)
    ctypes.memmove(ggml.ggml_get_data(tensor), array.ctypes.data, array.nbytes)


def _ggml_weights(ggml: ctypes.CDLL, number: int, rows: np.ndarray, d: int) -> np.ndarray:
    """What quantized rows stand for: llama.cpp looks them up as floats."""
    room = rows.size + len(rows) * d * 4 + (16 << 20)
    context = ggml.ggml_init(_GgmlParams(room, None, False))
    table = ggml.ggml_new_tensor_2d(context, number, d, len(rows))
    _fill(ggml, table, rows)
    index = ggml.ggml_new_tensor_1d(context, 26, len(rows))  # GGML_TYPE_I32
    _fill(ggml, index, np.arange(len(rows), dtype=np.int32))
    found = ggml.ggml_get_rows(context, table, index)
    graph = ggml.ggml_new_graph(context)
    ggml.ggml_build_forward_expand(graph, found)
    ggml.ggml_graph_compute_with_ctx(context, graph, 1)
    floats = np.empty((len(rows), d), np.float32)
    ctypes.memmove(floats.ctypes.data, ggml.ggml_get_data(found), floats.nbytes)
    return floats.astype(np.float64)


READ_WAYS = {"read": read_way(0), "read, two streams": read_way(1), "read, asked for ahead": read_way(2)}
PENSTOCK_WAYS = {
    f"penstock {form.replace('bitmod', 'fp')} {activations}{f' {isa}' if isa else ''}": penstock_way(
        form, activations, isa
    )
    for form, activations, isa in (
        *((form, each, None) for form in ("bitmod4", "bitmod3") for each in ("int22", "int15", "int8")),
        ("bitmod4", "int22", "avx2"),
    )
}
TORCH_WAYS = {"torch fp32": torch_way("float32"), "torch bf16": torch_way("bfloat16")}
GGML_TYPES = {
    "llama.cpp q4_0": 2,
    "llama.cpp q4_k": 12,
    "llama.cpp iq4_nl": 20,
    "llama.cpp iq3_s": 21,
    "llama.cpp iq3_xxs": 18,
}


def way_named(name: str, library: str) -> Callable[[Problem], Way]:
    if name in GGML_TYPES:
        return ggml_way(GGML_TYPES[name], library)
    return {**READ_WAYS, "onnxruntime int4": onnxruntime_way, **PENSTOCK_WAYS, **TORCH_WAYS}[name]


def relative(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


def main() -> None:
    name, *numbers = sys.argv[1:5]
    problem = Problem(*map(int, numbers))
    way = way_named(name, sys.argv[5] if len(sys.argv) > 5 else "")(problem)
    about: dict[str, float] = {"copies": way.copies, "bytes": way.bytes}
    if name not in READ_WAYS:
        x = problem.activation().astype(np.float64)
        rows = len(way.stands_for)
        about["kernel_error"] = relative(way.output[:rows], way.stands_for @ x)
        about["weight_error"] = relative(way.stands_for, problem.distinct()[:rows])
    print(json.dumps(about), flush=True)
    before = 0
    for line in sys.stdin:
        threads = int(line)
        if threads != before:
            way.prepare(threads)
        before = threads
        way.windows[0](threads)
        print(json.dumps(way.sweep(threads)), flush=True)


if __name__ == "__main__":
    main()
