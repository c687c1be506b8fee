"""Runs a CUDA bundle: cubins loaded by the driver, one allocation, launches captured into a graph.

A program takes its inputs by name, picks the smallest entry they fit in, fills them up with the pad values of
the manifest and cuts the outputs back, as the CPU's does. An entry's steps are enqueued on its lanes once,
while they are captured; every run is then one launch of the graph between the copies in and out.
"""

from __future__ import annotations

import ctypes
import threading
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...ir.bundle import BundleFiles, open_bundle
from ...ir.errors import BundleError, InputError
from ...ir.signature import Entry
from ..cpu.inputs import choose_entry, cut, fill
from .device import Arguments, Device
from .held import Held
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
    """A compiled model on a device. Use `load`.

    Attributes:
        probed: whether runs call a probe after every step.
    """

    probed = False

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
        self._resources = Held(self.device)
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
        self._graphs: dict[tuple[str, int | None], Any] = {}
        self._weights: int | None = None
        self._far = 0
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
        weights: int | None = None,
    ) -> dict[str, Any]:
        """Run the model.

        Args:
            inputs: arrays by name; ragged axes may be shorter than the entry's.
            entry: entry point; the smallest that fits when None.
            threads: taken for likeness with the CPU's program; a GPU has no use for it.
            probe: likewise; nothing is probed.
            profile: runs step by step, and adds each one's time under ``__profile__``: rows of ``step``,
                ``kernel``, ``instance`` and ``ms``.
            weights: device address of another model's image to run with, in the same layout; the program's
                own when None. A graph is kept for each address.

        Returns:
            Outputs by name, new arrays at every call.

        Raises:
            InputError: inputs that no entry takes; the message lists what is accepted. Or other weights for a
                program that has some of its own in the host's memory.
            DeviceError: a call of the driver failed.
        """
        if weights is not None and self.plan.far_bytes:
            where = str(self.bundle.path)
            raise InputError("weights in the host's memory are this model's", where=where, accepted="its own")
        chosen, arrays, extents = choose_entry(self.entries, inputs, entry)
        given = {spec.name: fill(spec, arrays[spec.name], _array)[0] for spec in chosen.inputs}
        outputs = {spec.name: _array(spec.shape, spec.dtype) for spec in chosen.outputs}
        with self._lock:
            self.device.enter()
            plan, stream = self.plan.entries[chosen.name], self._streams[0]
            for name, array in given.items():
                self._upload(plan.inputs[name], array, stream)
            self._weights = weights
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
        key = name, self._weights
        if key not in self._graphs:
            self._graphs[key] = self._resources.graph(lambda: self._enqueue(plan), self._streams[0])
        self.device.call("cuGraphLaunch", self._graphs[key], self._streams[0])
        return []

    def _at(self, offset: int) -> int:
        """The address of a place of the plan: weights may be another model's."""
        start, size = self.plan.sections["weights"]
        if self._weights is not None and start <= offset < start + size:
            return self._weights + offset - start
        return self.base + offset

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
            target, source = (self._at(step.places[end]) for end in ("to", "from"))
            call("cuMemcpyDtoDAsync", target, source, step.bytes, stream)
        elif step.kind == "fetch":
            source = self._far + step.places["far"]
            call("cuMemcpyHtoDAsync", self._at(step.places["to"]), source, step.bytes, stream)
        elif step.kind == "clear":
            call("cuMemsetD8Async", self.base + step.places["to"], 0, step.bytes, stream)
        else:
            kernel = self.plan.kernels[step.name].kernel
            self.device.launch(self._functions[step.name], kernel, self._argument_block(step), stream)

    def _argument_block(self, step: Step) -> Arguments:
        """Made once a step and kept: a graph may read it again."""
        key = (step.name, self._weights, *sorted(step.places.items()))
        if key not in self._arguments:
            kernel = self.plan.kernels[step.name].kernel
            places = {name: self._at(start) for name, start in step.places.items()}
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
        far = self.plan.far_bytes
        if size or far:
            weights = self.bundle.weights()
        if size:
            call = self.device.call
            call("cuMemcpyHtoDAsync", self.base + start, weights.address, size, self._streams[0])
            call("cuStreamSynchronize", self._streams[0])
        if far:  # graphs copy from here while they run: memory that stays where it is
            self._far = self._resources.pinned(far)
            ctypes.memmove(self._far, weights.address + size, far)

    def _upload(self, offset: int, array: np.ndarray, stream: Any) -> None:
        if array.nbytes:
            source = array.__array_interface__["data"][0]
            self.device.call("cuMemcpyHtoDAsync", self.base + offset, source, array.nbytes, stream)

    def _download(self, array: np.ndarray, offset: int, stream: Any) -> None:
        if array.nbytes:
            target = array.__array_interface__["data"][0]
            self.device.call("cuMemcpyDtoHAsync", target, self.base + offset, array.nbytes, stream)


def _array(shape: Any, dtype: str) -> np.ndarray:
    return np.empty(shape, np.dtype(dtype))
