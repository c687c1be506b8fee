"""Runs a CUDA bundle: cubins loaded by the driver, one allocation, launches captured into a graph.

A program takes its inputs by name, picks the smallest entry they fit in, fills them up with the pad values of
the manifest and cuts the outputs back, as the CPU's does. An entry's steps are enqueued on its lanes once,
while they are captured; every run is then one launch of the graph between the copies in and out.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...ir.bundle import BundleFiles, open_bundle
from ...ir.errors import BundleError
from ...ir.signature import Entry
from ..cpu.inputs import choose_entry, cut, fill
from .device import Arguments, Device
from .plan import EntryPlan, Plan, Step

BACKEND = "cuda"
PROFILE = "__profile__"


def load(path: str | Path, device: Device | None = None) -> Program:
    """The program of a bundle on a device.

    Raises:
        BundleError: the bundle is missing, corrupt, or holds no CUDA code.
        ToolMissing: there is no GPU or no driver.
        TargetError: it is compiled for another architecture.
    """
    return Program(open_bundle(path), device)


class Program:
    """A compiled model on a device. Use `load`."""

    def __init__(self, bundle: BundleFiles, device: Device | None = None) -> None:
        facts = bundle.manifest["backends"].get(BACKEND)
        if facts is None:
            raise BundleError(
                "holds no CUDA code", where=str(bundle.path), accepted="a bundle compiled with --target h200"
            )
        self.bundle = bundle
        self.entries: dict[str, Entry] = bundle.entries
        self.plan = Plan.from_json(bundle.json(facts["plan"]), facts["plan"])
        self.device = device or Device()
        self.device.hold(self.plan.arch, str(bundle.path))
        self._lock = threading.Lock()
        self._resources = _Held(self.device)
        weakref.finalize(self, self._resources.release)
        self._functions = {
            name: self._resources.function(bundle.file(facts.cubin).read_bytes(), facts.kernel)
            for name, facts in self.plan.kernels.items()
        }
        self.base = self._resources.allocate(self.plan.bytes)
        self._streams = [
            self._resources.stream()
            for _ in range(max((entry.lanes for entry in self.plan.entries.values()), default=1))
        ]
        self._graphs: dict[str, Any] = {}
        self._arguments: dict[object, Arguments] = {}
        self._upload_weights()
        self.reset()

    def run(
        self,
        inputs: Mapping[str, Any],
        entry: str | None = None,
        threads: int | None = None,
        probe: Callable[..., None] | None = None,
        profile: bool = False,
    ) -> dict[str, Any]:
        """Run the model.

        Args:
            inputs: arrays by name; ragged axes may be shorter than the entry's.
            entry: entry point; the smallest that fits when None.
            threads: taken for likeness with the CPU's program; a GPU has no use for it.
            probe: likewise; nothing is probed.
            profile: runs step by step, and adds each one's time under ``__profile__``: rows of ``step``,
                ``kernel``, ``instance`` and ``ms``.

        Returns:
            Outputs by name, new arrays at every call.

        Raises:
            InputError: inputs that no entry takes; the message lists what is accepted.
            DeviceError: a call of the driver failed.
        """
        chosen, arrays, extents = choose_entry(self.entries, inputs, entry)
        given = {spec.name: fill(spec, arrays[spec.name], _array) for spec in chosen.inputs}
        outputs = {spec.name: _array(spec.shape, spec.dtype) for spec in chosen.outputs}
        with self._lock:
            self.device.enter()
            plan, stream = self.plan.entries[chosen.name], self._streams[0]
            for name, array in given.items():
                self._upload(plan.inputs[name], array, stream)
            rows = self._profiled(plan) if profile else self._launched(chosen.name, plan)
            for name, array in outputs.items():
                self._download(array, plan.outputs[name], stream)
            self.device.call("cuStreamSynchronize", stream)
        results: dict[str, Any] = {
            spec.name: cut(spec, outputs[spec.name], extents) for spec in chosen.outputs
        }
        return results | {PROFILE: rows} if profile else results

    def reset(self) -> None:
        """Set the states to what they are at first: zeros."""
        start, size = self.plan.sections["states"]
        if size:
            self.device.call("cuMemsetD8Async", self.base + start, 0, size, self._streams[0])
            self.device.call("cuStreamSynchronize", self._streams[0])

    # Runs.

    def _launched(self, name: str, plan: EntryPlan) -> list[dict[str, Any]]:
        if name not in self._graphs:
            self._graphs[name] = self._resources.graph(lambda: self._enqueue(plan), self._streams[0])
        self.device.call("cuGraphLaunch", self._graphs[name], self._streams[0])
        return []

    def _enqueue(self, plan: EntryPlan) -> None:
        """All steps on their lanes, which leave the first stream at the start and join it at the end."""
        call, first = self.device.call, self._streams[0]
        begun = self._resources.event()
        call("cuEventRecord", begun, first)
        ended: dict[int, Any] = {}
        waited = {other for step in plan.steps for other in step.after}
        open_lanes = {0}
        last: dict[int, int] = {}
        for number, step in enumerate(plan.steps):
            stream = self._streams[step.lane]
            if step.lane not in open_lanes:
                call("cuStreamWaitEvent", stream, begun, 0)
                open_lanes.add(step.lane)
            for other in step.after:
                call("cuStreamWaitEvent", stream, ended[other], 0)
            self._step(step, stream)
            last[step.lane] = number
            if number in waited:
                ended[number] = self._resources.event()
                call("cuEventRecord", ended[number], stream)
        for lane in sorted(open_lanes - {0}):
            event = self._resources.event()
            call("cuEventRecord", event, self._streams[lane])
            call("cuStreamWaitEvent", first, event, 0)

    def _step(self, step: Step, stream: Any) -> None:
        call = self.device.call
        if step.kind == "copy":
            target, source = (self.base + step.places[end] for end in ("to", "from"))
            call("cuMemcpyDtoDAsync", target, source, step.bytes, stream)
        elif step.kind == "clear":
            call("cuMemsetD8Async", self.base + step.places["to"], 0, step.bytes, stream)
        else:
            kernel = self.plan.kernels[step.name].kernel
            self.device.launch(self._functions[step.name], kernel, self._argument_block(step), stream)

    def _argument_block(self, step: Step) -> Arguments:
        """Made once a step and kept: a graph may read it again."""
        key = (step.name, *sorted(step.places.items()))
        if key not in self._arguments:
            kernel = self.plan.kernels[step.name].kernel
            places = {name: self.base + start for name, start in step.places.items()}
            self._arguments[key] = Arguments(self.device, kernel, places)
        return self._arguments[key]

    def _profiled(self, plan: EntryPlan) -> list[dict[str, Any]]:
        """Steps one after another, each between two events."""
        call, stream = self.device.call, self._streams[0]
        timed = self.device.api.CUevent_flags.CU_EVENT_DEFAULT
        marks = [call("cuEventCreate", timed)[0] for _ in range(len(plan.steps) + 1)]
        call("cuEventRecord", marks[0], stream)
        for step, mark in zip(plan.steps, marks[1:], strict=True):
            self._step(step, stream)
            call("cuEventRecord", mark, stream)
        call("cuStreamSynchronize", stream)
        rows = [
            {
                "step": step.node or step.name,
                "kernel": step.name,
                "instance": step.instance,
                "ms": float(call("cuEventElapsedTime", before, after)[0]),
            }
            for step, before, after in zip(plan.steps, marks, marks[1:], strict=False)
        ]
        for mark in marks:
            call("cuEventDestroy", mark)
        return rows

    # Copies.

    def _upload_weights(self) -> None:
        start, size = self.plan.sections["weights"]
        if size:
            weights = self.bundle.weights()
            call = self.device.call
            call("cuMemcpyHtoDAsync", self.base + start, weights.address, size, self._streams[0])
            call("cuStreamSynchronize", self._streams[0])

    def _upload(self, offset: int, array: np.ndarray, stream: Any) -> None:
        if array.nbytes:
            source = array.__array_interface__["data"][0]
            self.device.call("cuMemcpyHtoDAsync", self.base + offset, source, array.nbytes, stream)

    def _download(self, array: np.ndarray, offset: int, stream: Any) -> None:
        if array.nbytes:
            target = array.__array_interface__["data"][0]
            self.device.call("cuMemcpyDtoHAsync", target, self.base + offset, array.nbytes, stream)


@dataclass
class _Held:
    """What a program holds of a device, let go of together, the last first."""

    device: Device
    lets: list[Callable[[], Any]] = field(default_factory=list)

    def allocate(self, size: int) -> int:
        (address,) = self.device.call("cuMemAlloc", max(size, 1))
        self._later("cuMemFree", address)
        return int(address)

    def stream(self) -> Any:
        kinds = self.device.api.CUstream_flags
        (stream,) = self.device.call("cuStreamCreate", kinds.CU_STREAM_NON_BLOCKING)
        self._later("cuStreamDestroy", stream)
        return stream

    def event(self) -> Any:
        kinds = self.device.api.CUevent_flags
        (event,) = self.device.call("cuEventCreate", kinds.CU_EVENT_DISABLE_TIMING)
        self._later("cuEventDestroy", event)
        return event

    def function(self, cubin: bytes, kernel: Any) -> Any:
        module, function = self.device.function(cubin, kernel)
        self._later("cuModuleUnload", module)
        return function

    def graph(self, enqueue: Callable[[], None], stream: Any) -> Any:
        """What is enqueued by a function, starting and ending on a stream, as a graph to launch."""
        mode = self.device.api.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
        self.device.call("cuStreamBeginCapture", stream, mode)
        try:
            enqueue()
        finally:
            (captured,) = self.device.call("cuStreamEndCapture", stream)
        (graph,) = self.device.call("cuGraphInstantiate", captured, 0)
        self.device.call("cuGraphDestroy", captured)
        self._later("cuGraphExecDestroy", graph)
        return graph

    def _later(self, name: str, handle: Any) -> None:
        self.lets.append(lambda: self.device.call(name, handle))

    def release(self) -> None:
        """Let go of everything."""
        if self.lets:
            self.device.enter()
        while self.lets:
            self.lets.pop()()


def _array(shape: Any, dtype: str) -> np.ndarray:
    return np.empty(shape, np.dtype(dtype))
