"""The ways to train that `memo_train.py` compares: how each is set up, and what a run of it measures."""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import penstock
from penstock.frontend.zoo.initialise import initialise
from penstock.frontend.zoo.llama import Llama, LlamaConfig
from penstock.ir.swap_plan import ALWAYS, TOKEN, SwapPlan

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16}
VOCABULARY = 1024
BUDGET = 0.25
LEAST_BYTES = 1024
"""Smaller tensors are not offloaded by the hooks, as in torchtune."""


class Absent(Exception):
    """The way cannot be measured here; the message says why."""


@dataclass(frozen=True)
class Settings:
    """What is trained, and where."""

    device: str
    layers: int
    width: int
    heads: int
    seq: int
    dtype: str
    steps: int
    threads: int

    def at(self, seq: int) -> Settings:
        return replace(self, seq=seq)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def said(self) -> str:
        return (
            f"Llama of {self.layers} layers, width {self.width}, {self.heads} heads, {self.seq} tokens,"
            f" {self.dtype}, {self.threads} threads"
        )

    def model(self) -> nn.Module:
        inner = self.width * 8 // 3 // 64 * 64
        sizes: dict[str, Any] = {
            "layers": self.layers,
            "width": self.width,
            "heads": self.heads,
            "inner": inner,
        }
        model = Llama(LlamaConfig(**sizes, key_heads=self.heads, vocabulary=VOCABULARY, positions=self.seq))
        initialise(model, seed=0)
        return model.to(self.device, DTYPES[self.dtype])

    def tokens(self) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        return torch.randint(0, VOCABULARY, (1, self.seq), generator=generator).to(self.device)


@dataclass
class Way:
    """A model that trains one way.

    Attributes:
        model: what is called.
        around: what the forward is run in.
        alpha: fraction of tokens on the host, for ours.
        host_bytes: of the slab, known after the first step.
        note: for readers.
    """

    model: Callable[[Tensor], Tensor]
    around: Callable[[], AbstractContextManager[Any]] = nullcontext
    alpha: float | None = None
    host_bytes: Callable[[], int] = lambda: 0
    note: str = ""


def plain(model: nn.Module, settings: Settings) -> Way:
    return Way(model)


def checkpointed(model: nn.Module, settings: Settings) -> Way:
    """Every layer recomputed whole."""
    for layer in model.decoder.layers:  # pyright: ignore
        layer.forward = partial(checkpoint, layer.forward, use_reentrant=False)
    return Way(model)


def save_on_cpu(model: nn.Module, settings: Settings) -> Way:
    pinned = settings.device == "cuda"
    note = "" if pinned else "copies within the host's memory"
    return Way(model, partial(torch.autograd.graph.save_on_cpu, pin_memory=pinned), note=note)


def offloading(model: nn.Module, settings: Settings) -> Way:
    """torchtune's `OffloadActivations` where it is installed, else hooks of ours in its manner."""
    if settings.device != "cuda":
        raise Absent("needs a GPU's streams")
    if find_spec("torchtune"):
        from torchtune.training import OffloadActivations  # pyright: ignore[reportMissingImports]

        return Way(
            model, partial(OffloadActivations, use_streams=True), note="torchtune's OffloadActivations"
        )
    parameters = {each.untyped_storage().data_ptr() for each in model.parameters()}
    return Way(model, partial(_offload, parameters), note="hooks of ours")


@contextmanager
def _offload(parameters: set[int]) -> Iterator[None]:
    """Every saved tensor copied out on one side stream, and back when autograd asks for it."""
    side, compute = torch.cuda.Stream(), torch.cuda.current_stream()

    def pack(tensor: Tensor) -> Any:
        if tensor.nbytes < LEAST_BYTES or tensor.untyped_storage().data_ptr() in parameters:
            return tensor
        there = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
        side.wait_stream(compute)
        with torch.cuda.stream(side):
            there.copy_(tensor, non_blocking=True)
        tensor.record_stream(side)
        return tensor.device, there

    def unpack(packed: Any) -> Tensor:
        if isinstance(packed, Tensor):
            return packed
        device, there = packed
        with torch.cuda.stream(side):
            back = there.to(device, non_blocking=True)
        torch.cuda.current_stream().wait_stream(side)
        back.record_stream(torch.cuda.current_stream())
        return back

    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        yield


def budget(model: nn.Module, settings: Settings) -> Way:
    """The partitioner's knapsack; without a GPU its graphs run eagerly, for nothing is to be fused."""
    import torch._functorch.config as config

    config.activation_memory_budget = BUDGET
    backend = "inductor" if settings.device == "cuda" else "aot_eager_decomp_partition"
    return Way(torch.compile(model, backend=backend), note=f"budget {BUDGET}, {backend}")


def memo(alpha: float | None, model: nn.Module, settings: Settings) -> Way:
    """Ours; where no alpha is given, the one whose copy hides."""
    folder = None if settings.device == "cuda" else tempfile.gettempdir()
    chosen = _hidden(model, settings) if alpha is None else alpha
    plan = SwapPlan.uniform(settings.layers, settings.seq, chosen)
    wrapped = penstock.memo(model, plan, slab_folder=folder)
    return Way(wrapped, alpha=plan.alpha(0), host_bytes=lambda: wrapped.sizes().host)


def _hidden(model: nn.Module, settings: Settings) -> float:
    """The largest fraction whose copy takes no longer than a layer's forward."""
    probe = penstock.memo(model, SwapPlan.uniform(settings.layers, settings.seq, 0.0))
    probe(settings.tokens())
    found = probe.skeletal()
    probe.close()
    always = sum(each.token_bytes for each in found if each.kind == ALWAYS) * settings.seq
    others = sum(each.token_bytes for each in found if each.kind == TOKEN) * settings.seq
    moved = _bandwidth(settings) * _layer_seconds(model, settings)
    return min(1.0, max(0.0, (moved - always) / others))


def _layer_seconds(model: nn.Module, settings: Settings) -> float:
    decoder: Any = model.decoder
    layer, rotary = decoder.layers[0], decoder.rotary
    x = torch.randn(1, settings.seq, settings.width).to(settings.device, DTYPES[settings.dtype])
    with torch.no_grad():
        return _least(lambda: layer(x, *rotary(settings.seq)), settings)


def _bandwidth(settings: Settings, size: int = 256 << 20) -> float:
    """Bytes a second to the host."""
    source = torch.ones(size, dtype=torch.uint8, device=settings.device)
    target = torch.empty(size, dtype=torch.uint8, pin_memory=settings.device == "cuda")
    return size / _least(lambda: target.copy_(source), settings)


def _least(call: Callable[[], object], settings: Settings) -> float:
    times = []
    for _ in range(4):
        start = time.perf_counter()
        call()
        _settle(settings)
        times.append(time.perf_counter() - start)
    return min(times[1:])


WAYS: dict[str, Callable[[nn.Module, Settings], Way]] = {
    "plain": plain,
    "checkpoint": checkpointed,
    "save_on_cpu": save_on_cpu,
    "offload_activations": offloading,
    "activation_memory_budget": budget,
    "memo_0": partial(memo, 0.0),
    "memo_best": partial(memo, None),
    "memo_1": partial(memo, 1.0),
}
"""Name → how a model is made to train that way; `memo_best` at alpha*."""


def run(way: str, settings: Settings, gradients: Path) -> dict[str, Any]:
    """Train some steps; the row of what was measured, and the first step's gradients in a file.

    Returns:
        ``step_s`` (the median after the first), ``peak_mib`` (on a GPU allocated, and ``reserved_mib``),
        ``alpha``, ``host_mib``, ``loss`` and ``note``.
    """
    torch.set_num_threads(settings.threads)
    model, ids = settings.model(), settings.tokens()
    made = WAYS[way](model, settings)
    optimiser = torch.optim.SGD(model.parameters(), lr=1e-3)
    times, value = [], 0.0
    with _memory(settings) as peak:
        for step in range(settings.steps + 1):
            start = time.perf_counter()
            optimiser.zero_grad()
            with made.around():
                loss = F.cross_entropy(made.model(ids).flatten(0, 1), ids.roll(-1, 1).flatten())
            loss.backward()
            if step == 0:
                torch.save([p.grad.cpu() for p in model.parameters() if p.grad is not None], gradients)
                value = loss.item()
            optimiser.step()
            _settle(settings)
            times.append(time.perf_counter() - start)
    host = made.host_bytes() / 2**20
    return {
        "step_s": statistics.median(times[1:]),
        **peak,
        "alpha": made.alpha,
        "host_mib": host,
        "loss": value,
        "note": made.note,
    }


def _settle(settings: Settings) -> None:
    if settings.device == "cuda":
        torch.cuda.synchronize()


@contextmanager
def _memory(settings: Settings) -> Iterator[dict[str, float]]:
    """Peaks while it is entered, filled in at the end."""
    found: dict[str, float] = {}
    if settings.device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        yield found
        found["peak_mib"] = torch.cuda.max_memory_allocated() / 2**20
        found["reserved_mib"] = torch.cuda.max_memory_reserved() / 2**20
        return
    import_module("torch._dynamo")  # what tracing imports is no activation
    before, done = _resident(), threading.Event()
    most = [before]

    def watch() -> None:
        while not done.wait(0.005):
            most[0] = max(most[0], _resident())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield found
    finally:
        done.set()
        watcher.join()
    found["peak_mib"] = (most[0] - before) / 2**20


def _resident() -> int:
    """Private resident memory of the process (Linux), without mapped files."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) << 10
    raise Absent("no RssAnon in /proc/self/status")
