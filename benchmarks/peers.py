"""What a user would otherwise run a PyTorch module with on a CPU: one wrapper for each, made alike.

`build` gives a `Way`: a call to be timed, inputs already where the peer wants them, and how its first output
is read as an array. A peer that is not installed, or cannot do what is asked, says so by `Absent`. In bf16
weights and activations are bfloat16 where a peer leaves the choice to its user; whether it then computed in
bfloat16 is read off its error (`verdict`).
"""

from __future__ import annotations

import copy
import logging
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

SLOWEST_SECONDS = 1.0
"""A peer that takes longer for one run is left out, and its time said."""

ERRORS: Mapping[str, tuple[float, float]] = {"fp32": (0.0, 1e-5), "bf16": (3e-4, 5e-2)}
"""Relative errors between which a result of that precision lies (against float64)."""

IREE_FLAGS = (
    "--iree-hal-target-device=local",
    "--iree-hal-local-target-device-backends=llvm-cpu",
    "--iree-llvmcpu-target-cpu=host",
    "--iree-opt-level=O3",
    "--iree-opt-data-tiling",  # without it MiniLM takes half as long again
    "--iree-llvmcpu-stack-allocation-limit=262144",  # its own layer norms want more than the default
    "--iree-input-type=torch",
)


class Absent(Exception):
    """The peer cannot be measured; the message says why."""


@dataclass(frozen=True)
class Task:
    """What is to be computed.

    Attributes:
        module: in inference mode, float32; left as it is.
        inputs: by the names of its arguments, in their order; float ones in float32.
        threads: each peer may use.
        dtype: ``fp32`` or ``bf16``.
    """

    module: torch.nn.Module
    inputs: Mapping[str, torch.Tensor]
    threads: int
    dtype: str = "fp32"

    def cast(self) -> tuple[torch.nn.Module, tuple[torch.Tensor, ...]]:
        """Module and inputs with floats of the task's type."""
        if self.dtype == "fp32":
            return self.module, tuple(self.inputs.values())
        inputs = (v.bfloat16() if v.is_floating_point() else v for v in self.inputs.values())
        return copy.deepcopy(self.module).to(torch.bfloat16), tuple(inputs)


@dataclass(frozen=True)
class Way:
    """One way to compute a task.

    Attributes:
        name: of the peer.
        run: what is timed; gives the peer's own result, complete when it returns.
        read: that result's first output as an array.
        note: what a reader of its figures should know.
    """

    name: str
    run: Callable[[], Any]
    read: Callable[[Any], np.ndarray]
    note: str = ""

    def output(self) -> np.ndarray:
        """The first output of a run of its own."""
        return self.read(self.run())


def build(peer: str, task: Task) -> Way:
    """The task on a peer of `PEERS`.

    Raises:
        Absent: it is not installed, cannot do the task, or takes longer than `SLOWEST_SECONDS`.
    """
    needs, make = PEERS[peer]
    missing = [name for name in needs if find_spec(name) is None]
    if missing:
        raise Absent(f"{', '.join(missing)} not installed")
    try:
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")
            way = make(task)
            way.run()
            start = time.perf_counter()
            way.run()
            seconds = time.perf_counter() - start
    except Absent:
        raise
    except Exception as error:  # a peer may fail in any way of its own; the benchmark goes on without it
        raise Absent(f"{type(error).__name__}: {_first_line(error)}") from error
    if seconds > SLOWEST_SECONDS:
        raise Absent(f"one run takes {seconds:.1f} s{', ' + way.note if way.note else ''}")
    return Way(peer, way.run, way.read, way.note)


def build_all(peers: Iterable[str], task: Task) -> tuple[list[Way], dict[str, str]]:
    """Those that can be measured, and why the others cannot."""
    ways, reasons = [], {}
    for peer in peers:
        try:
            ways.append(build(peer, task))
        except Absent as reason:
            reasons[peer] = str(reason)
    return ways, reasons


def reference(task: Task) -> np.ndarray:
    """The first output in float64, eager."""
    inputs = (v.double() if v.is_floating_point() else v for v in task.inputs.values())
    with torch.inference_mode():
        return _read_torch(copy.deepcopy(task.module).to(torch.float64)(*inputs))


def verdict(dtype: str, error: float) -> str:
    """What a relative error says about the precision computed in; empty when it is as asked."""
    least, most = ERRORS[dtype]
    if error > most:
        return "wrong"
    return "" if error >= least else "computes in fp32"


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower() and "Error code" not in line]
    return (errors or lines or [""])[0][:160]


def _first(result: Any) -> Any:
    return result[0] if isinstance(result, (tuple, list)) else result


def _read_torch(result: Any) -> np.ndarray:
    tensor = _first(result)
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()


def _torch_way(
    call: Callable[..., Any],
    inputs: Iterable[torch.Tensor],
    around: Callable[[], AbstractContextManager[Any]] = nullcontext,
    note: str = "",
) -> Way:
    given = tuple(inputs)

    def run() -> Any:
        with torch.inference_mode(), around():
            return call(*given)

    return Way("torch", run, _read_torch, note)


def _seconds(way: Way) -> float:
    """The best of three runs after one."""
    way.run()
    taken = []
    for _ in range(3):
        start = time.perf_counter()
        way.run()
        taken.append(time.perf_counter() - start)
    return min(taken)


def _eager(task: Task) -> Way:
    torch.set_num_threads(task.threads)
    module, inputs = task.cast()
    if task.dtype == "fp32":
        return _torch_way(module, inputs)
    whole = _torch_way(module, inputs, note="bfloat16 module")
    mixed = _torch_way(
        task.module,
        task.inputs.values(),
        lambda: torch.autocast("cpu", torch.bfloat16),
        note="autocast",
    )
    return min(whole, mixed, key=_seconds)


def _compiled(task: Task) -> Way:
    torch.set_num_threads(task.threads)
    module, inputs = task.cast()
    return _torch_way(torch.compile(module, dynamic=False), inputs)


def _frozen(task: Task) -> Way:
    """Weights as constants, so that they may be packed ahead."""
    torch.set_num_threads(task.threads)
    module, inputs = task.cast()
    return _torch_way(torch.compile(module, dynamic=False, options={"freezing": True}), inputs)


def _iree(task: Task) -> Way:
    import io

    from torch_mlir import fx

    compiler, runtime = import_module("iree.compiler"), import_module("iree.runtime")
    module, inputs = task.cast()
    imported = fx.export_and_import(module, *inputs, output_type="torch", func_name="main")
    code = io.BytesIO()
    imported.operation.write_bytecode(code)
    binary = compiler.compile_str(code.getvalue(), extra_args=list(IREE_FLAGS))
    # The workers of a process, made with its first device: every task of a process has as many threads.
    runtime.flags.parse_flags(f"--task_topology_group_count={task.threads}")
    config = runtime.Config("local-task")
    context = runtime.SystemContext(config=config)
    context.add_vm_module(runtime.VmModule.copy_buffer(context.instance, binary))
    main = context.modules.module["main"]
    given = [runtime.asdevicearray(config.device, _raw(value)) for value in inputs]
    if task.dtype == "bf16":
        given = [_as_bfloat16(runtime, config, v, g) for v, g in zip(inputs, given, strict=True)]

    def run() -> Any:
        return _first(main(*given)).to_host()

    return Way("iree", run, lambda result: np.asarray(result, np.float32))


def _raw(tensor: torch.Tensor) -> np.ndarray:
    return (tensor.view(torch.uint16) if tensor.dtype == torch.bfloat16 else tensor).numpy()


def _as_bfloat16(runtime: Any, config: Any, tensor: torch.Tensor, given: Any) -> Any:
    """NumPy has no bfloat16: the buffer's bits under the element type the module asks for."""
    if tensor.dtype != torch.bfloat16:
        return given
    device = config.device
    view = device.allocator.allocate_buffer_copy(
        memory_type=runtime.MemoryType.DEVICE_LOCAL,
        allowed_usage=runtime.BufferUsage.DEFAULT,
        device=device,
        buffer=_raw(tensor.contiguous()),
        element_type=runtime.HalElementType.BFLOAT_16,
    )
    return runtime.DeviceArray(device, view)


def _onnx(task: Task) -> Way:
    onnxruntime = import_module("onnxruntime")
    module, inputs = task.cast()
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    program = torch.onnx.export(module, inputs, dynamo=True, verbose=False, input_names=list(task.inputs))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = task.threads
    options.log_severity_level = 4
    with tempfile.TemporaryDirectory(prefix="penstock-") as folder:
        path = str(Path(folder) / "model.onnx")
        assert program is not None
        program.save(path)
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    feed = {spec.name: _raw(value) for spec, value in zip(session.get_inputs(), inputs, strict=True)}
    return Way("onnxruntime", lambda: session.run(None, feed), _first)


def _openvino(task: Task) -> Way:
    """Its own way to bfloat16: a hint, kernels and weights being its choice."""
    openvino = import_module("openvino")
    inputs = tuple(task.inputs.values())
    model = openvino.convert_model(torch.export.export(task.module, inputs))
    model.reshape({port: list(v.shape) for port, v in zip(model.inputs, inputs, strict=True)})
    options = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": task.threads,
        "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[task.dtype],
    }
    request = openvino.Core().compile_model(model, "CPU", options).create_infer_request()
    feed = dict(enumerate(value.numpy() for value in inputs))
    return Way(
        "openvino",
        lambda: request.infer(feed, share_inputs=True, share_outputs=True),
        lambda result: np.array(result[0]),
    )


def _tvm(task: Task) -> Way:
    tvm, relax = import_module("tvm"), import_module("tvm.relax")
    frontend = import_module("tvm.relax.frontend.torch")
    module, inputs = task.cast()
    imported = frontend.from_exported_program(torch.export.export(module, inputs))
    system = tvm.get_global_func("target.llvm_get_system_cpu")()
    target = tvm.target.Target({"kind": "llvm", "mcpu": system, "num-cores": task.threads})
    machine = relax.VirtualMachine(tvm.compile(imported, target), tvm.cpu())
    given = [tvm.runtime.from_dlpack(value.contiguous()) for value in inputs]
    return Way("tvm", lambda: machine["main"](*given), lambda result: _first(result).numpy(), "not tuned")


PEERS: Mapping[str, tuple[tuple[str, ...], Callable[[Task], Way]]] = {
    "eager": ((), _eager),
    "torch.compile": ((), _compiled),
    "torch.compile frozen": ((), _frozen),
    "iree": (("iree", "torch_mlir"), _iree),
    "onnxruntime": (("onnxruntime", "onnx", "onnxscript"), _onnx),
    "openvino": (("openvino",), _openvino),
    "tvm": (("tvm",), _tvm),
}
"""By name: the packages it needs, and how it is made."""
