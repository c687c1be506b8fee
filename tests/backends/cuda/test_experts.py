"""Compositions of Experts on a GPU, by a driver without one: copies, slots, weights at other addresses."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock import api
from penstock.backends.cpu.experts import BACKEND, IMAGE, ROUTER, SHAPE, Composition
from penstock.backends.cuda.device import Device
from penstock.backends.cuda.held import Held
from penstock.backends.cuda.kernel import Buffer, Kernel
from penstock.backends.cuda.plan import EntryPlan, KernelFacts, Plan, Step
from penstock.backends.cuda.resources import Resources
from penstock.backends.cuda.slots import GpuMachine, GpuSlots
from penstock.ir.bundle import BundleWriter
from penstock.ir.errors import ToolMissing
from penstock.ir.signature import Entry, TensorSpec, entries_json
from penstock.serving import serve

from .fake_driver import BASE, FakeDriver, Misuse

WIDTH, LENGTH = 64, 4
ROOM = 1 << 16


class Gpu(FakeDriver):
    """A made-up GPU with room for several allocations, that copies from the host as late as it may."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.room = np.full(ROOM, 0xCD, np.uint8)
        self.taken: dict[int, int] = {}
        self.pinned: dict[int, Any] = {}
        self.late: dict[int, list[Any]] = {}

    def cuMemAlloc(self, size: int) -> tuple[int, int]:
        start = max([0, *(-(-end // 256) * 256 for end in self.taken.values())])
        assert start + size <= ROOM
        self.taken[BASE + start] = start + size
        return 0, BASE + start

    def cuMemFree(self, address: int) -> tuple[int]:
        del self.taken[address]
        return (0,)

    def cuMemAllocHost(self, size: int) -> tuple[int, int]:
        held = ctypes.create_string_buffer(size)
        self.pinned[ctypes.addressof(held)] = held
        return 0, ctypes.addressof(held)

    def cuMemFreeHost(self, address: int) -> tuple[int]:
        del self.pinned[address]
        return (0,)

    def _bytes(self, address: int, size: int) -> np.ndarray:
        start = address - BASE
        inside = any(base <= address and start + size <= end for base, end in self.taken.items())
        if not inside:
            raise Misuse(f"{size} bytes at {address:#x}")
        return self.room[start : start + size]

    def cuMemcpyHtoDAsync(self, to: int, source: int, size: int, stream: int) -> tuple[int]:
        self._need(stream, "stream")
        target = self._bytes(to, size)
        self.late.setdefault(stream, []).append((target, source, size))
        return (0,)

    def _arrive(self, stream: int) -> None:
        for target, source, size in self.late.pop(stream, []):
            target[:] = np.frombuffer(ctypes.string_at(source, size), np.uint8)

    def cuEventSynchronize(self, event: int) -> tuple[int]:
        self._arrive(self.recorded[event])
        return (0,)

    def cuStreamSynchronize(self, stream: int) -> tuple[int]:
        self._arrive(stream)
        return super().cuStreamSynchronize(stream)

    def cuGraphLaunch(self, graph: int, stream: int) -> tuple[int]:
        self._arrive(stream)
        return super().cuGraphLaunch(graph, stream)


SCALE = Kernel(
    "scale", "", "sm_90a", (1, 1, 1), (32, 1, 1), 0,
    (
        Buffer("x", "i64", (1, LENGTH)),
        Buffer("w", "f32", (WIDTH,)),
        Buffer("y", "f32", (1, WIDTH), role="out"),
    ),
)  # fmt: skip


def execute(kernel: Kernel, arrays: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
    return {"y": arrays["w"][None] * arrays["x"].sum().astype(np.float32)}


def weights_of(expert: int) -> np.ndarray:
    return np.random.default_rng(expert).standard_normal(WIDTH).astype(np.float32)


def write_program(out: Path, weights: np.ndarray) -> None:
    """A bundle whose program multiplies weights by the sum of the tokens; weights before all else."""
    inputs, outputs = 256, 512
    step = Step("scale", "kernel", {"x": inputs, "w": 0, "y": outputs})
    plan = Plan(
        "sm_90a", 1024, {"weights": (0, weights.nbytes), "states": (0, 0)},
        {"scale": KernelFacts(SCALE, "cuda/scale.cubin", Resources(8, 0, 0, 0, 0))},
        {"main": EntryPlan({"input_ids": inputs}, {"y": outputs}, {}, (step,))},
    )  # fmt: skip
    entry = Entry(
        "main", (TensorSpec("input_ids", "int64", (1, LENGTH)),), (TensorSpec("y", "float32", (1, WIDTH)),)
    )
    with BundleWriter(out) as writer:
        writer.write_weights({"w": weights})
        writer.path("cuda/scale.cubin").write_bytes(b"\x7fELF")
        writer.write_json("cuda/plan.json", plan.to_json())
        writer.commit(
            tools={}, target="h200", model={}, entries=entries_json([entry]),
            backends={"cuda": {"plan": "cuda/plan.json"}},
        )  # fmt: skip


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    from penstock.ir.weights import write_weights

    out = tmp_path / "coe"
    with BundleWriter(out) as writer:
        write_program(writer.path(ROUTER), weights_of(99))
        write_program(writer.path(SHAPE), weights_of(0))
        for expert in range(5):
            write_weights(writer.path(IMAGE.format(expert)), {"w": weights_of(expert)})
        facts = {"experts": 5, "length": LENGTH, "machine": "cuda"}
        writer.commit(tools={}, target="h200", model={}, entries={}, backends={BACKEND: facts})
    return out


@pytest.mark.parametrize("size", [1, 99, 100, 101, 350, 1000])
def test_an_image_arrives_whole_through_two_buffers(size: int) -> None:
    gpu = Gpu({})
    slots = GpuSlots(Device(gpu), 3, size, stage=100)
    images = np.random.default_rng(size).integers(0, 256, (3, size), np.uint8)
    for slot in (2, 0, 1, 0):
        slots.copy(slot, images[slot])
    for slot, image in enumerate(images):
        np.testing.assert_array_equal(gpu._bytes(slots.address(slot), size), image)
    del slots
    assert not gpu.taken
    assert not gpu.pinned
    assert not gpu.live


def test_an_image_arrives_while_another_thread_captures() -> None:
    device = Device(gpu := Gpu({}))
    slots, held = GpuSlots(device, 1, 500, stage=100), Held(device)
    image = np.arange(500).astype(np.uint8)
    stream, event = held.stream(), held.event()
    with ThreadPoolExecutor(1) as copier:
        held.graph(lambda: copier.submit(slots.copy, 0, image).result(), stream)
        np.testing.assert_array_equal(gpu._bytes(slots.address(0), 500), image)

        def meddle() -> None:
            copier.submit(device.call, "cuEventRecord", event, stream).result()

        with pytest.raises(Misuse, match="a stream that is captured"):
            held.graph(meddle, stream)
    with pytest.raises(Misuse, match="not part of the capture"):
        held.graph(lambda: slots.copy(0, image), stream)
    held.release()


def test_a_thread_that_has_not_entered_the_context_is_refused() -> None:
    device = Device(Gpu({}))
    held = Held(device)
    stream, event = held.stream(), held.event()
    with ThreadPoolExecutor(1) as other, pytest.raises(Misuse, match="no context"):
        other.submit(device.call, "cuEventRecord", event, stream).result()
    held.release()


@pytest.mark.parametrize("ahead", [0, 2])
def test_experts_run_from_their_slots(bundle: Path, ahead: int) -> None:
    gpu = Gpu({"scale": SCALE}, execute)
    prompts = np.arange(1, 9 * LENGTH + 1).reshape(9, LENGTH)
    named = [0, 3, 0, 1, 4, 2, 2, 3, 0]
    with Composition(bundle, 3, ahead=ahead, machine=GpuMachine(Device(gpu))) as composition:
        answers = composition.run(prompts, named)
        counters = composition.counters
    for prompt, answer in zip(prompts, answers, strict=True):
        want = weights_of(answer.expert)[None] * np.float32(prompt.sum())
        np.testing.assert_array_equal(answer.logits, want)
    assert (counters.hits, counters.misses) == (2, 7)
    assert len(gpu.graphs) == 2 * 3, "captured once for each slot, and made executable"
    assert counters.copied_bytes == 7 * composition.image_bytes


def test_without_a_gpu_serving_says_so(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Gpu, "cuDeviceGetCount", lambda self: (0, 0))
    monkeypatch.setattr("penstock.backends.cuda.device._bindings", lambda: Gpu({}))
    with pytest.raises(ToolMissing, match="no NVIDIA GPU"):
        serve(bundle, 2)


@pytest.mark.slow
def test_a_compositions_images_are_laid_out_as_its_program(tmp_path: Path) -> None:
    out = tmp_path / "coe"
    api.compile("zoo:coe,experts=2", target="h200", out=out, shapes={"s": [8]})
    own, image, other = (
        (out / name).read_bytes()
        for name in (f"{SHAPE}/weights.safetensors", IMAGE.format(0), IMAGE.format(1))
    )
    assert own == image
    assert len(other) == len(image)
    assert other != image
