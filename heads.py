"""One attention head of a model as hardware: queries, keys, values of a real run, and an epoch for them."""

from __future__ import annotations

import difflib
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .ir.bundle import COST, MODULE, PLAN, BundleFiles, BundleWriter
from .ir.errors import InputError, TargetError
from .ir.schedule import Edge, Schedule
from .ir.signature import entries_json
from .ir.targets import Target
from .layers import FOLDER, own_inputs
from .progress import Progress
from .sim.cost.spatial.tiling import Tiling
from .subject import MAIN, Subject

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

ARRAY, ROW = "array-2d", "array-1d"
QUERY_BUFFER, STATE_BUFFER = "query-buffer", "running-values"
HIDDEN = -1e30
"""An additive mask at or below this hides a key."""


@dataclass(frozen=True)
class Recorded:
    """One head of an attention and what reached it.

    Attributes:
        name: of the module that attends.
        head: which of its heads.
        heads: how many it has.
        q: ``[P, E]`` float32, not scaled.
        k: ``[M, E]``, the keys that are not masked.
        v: ``[M, F]``.
        scale: what the scores are multiplied by.
    """

    name: str
    head: int
    heads: int
    q: np.ndarray
    k: np.ndarray
    v: np.ndarray
    scale: float

    @property
    def title(self) -> str:
        """The head's name in files and reports."""
        return f"{self.name}.head.{self.head}".lstrip(".")


@dataclass(frozen=True)
class _Call:
    """One call of ``scaled_dot_product_attention``: who called, and with what."""

    module: str
    query: Tensor
    key: Tensor
    value: Tensor
    attn_mask: Tensor | None = None
    dropout_p: float = 0.0
    is_causal: bool = False
    scale: float | None = None
    enable_gqa: bool = False


def record(subject: Subject, layer: str | None, head: int = 0) -> Recorded:
    """Run the model once and keep what reaches one head of one attention; of a batch, its first row.

    Args:
        subject: the model; MiniLM reads a real text, others their example inputs.
        layer: name of the module that calls ``scaled_dot_product_attention``, or of one around it; the
            first to call it when None.
        head: which head.

    Raises:
        InputError: no such attention or head, or one that is masked otherwise than by hiding whole keys.
    """
    calls = _attentions(subject)
    names = list(dict.fromkeys(call.module for call in calls))
    if not names:
        raise InputError(
            "the model never calls torch's scaled_dot_product_attention",
            where=subject.name,
            accepted="a model that does, such as zoo:bert-base",
        )
    if layer is None:
        chosen = calls[0]
    else:
        found = [call for call in calls if call.module == layer or call.module.startswith(f"{layer}.")]
        if not found:
            near = difflib.get_close_matches(layer, names, 3) or names[:6]
            raise InputError(f"no attention '{layer}'", where="--layer", accepted=", ".join(near))
        if len({call.module for call in found}) > 1:
            inside = list(dict.fromkeys(call.module for call in found))
            raise InputError(
                f"'{layer}' holds {len(inside)} attentions", where="--layer", accepted=", ".join(inside[:6])
            )
        chosen = found[0]
    return _one_head(chosen, head)


def _attentions(subject: Subject) -> list[_Call]:
    """Every call of the model's one run, in order."""
    import torch
    from torch.nn import functional
    from torch.overrides import TorchFunctionMode

    calls: list[_Call] = []

    class Watch(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func is functional.scaled_dot_product_attention:
                calls.append(_Call(running[-1], *args, **(kwargs or {})))
            return func(*args, **(kwargs or {}))

    with _running(subject.module) as running, torch.inference_mode(), Watch():
        subject.module(*own_inputs(subject).values())
    return calls


@contextmanager
def _running(module: nn.Module) -> Iterator[list[str]]:
    """Names of the modules whose forward is under way, outermost first."""
    stack: list[str] = []
    hooks = []
    for name, part in module.named_modules():
        hooks.append(part.register_forward_pre_hook(lambda *_, name=name: stack.append(name)))
        hooks.append(part.register_forward_hook(lambda *_: (stack.pop(), None)[1]))
    try:
        yield stack
    finally:
        for hook in hooks:
            hook.remove()


def _one_head(call: _Call, head: int) -> Recorded:
    query, key, value = (each.detach().float() for each in (call.query, call.key, call.value))
    if query.ndim < 3:
        raise InputError(f"queries of shape {list(query.shape)}", where=call.module, accepted="heads")
    heads = query.shape[-3]
    if not 0 <= head < heads:
        raise InputError(f"no head {head}", where=f"{call.module}, --head", accepted=f"0 to {heads - 1}")
    shared = head // (heads // key.shape[-3])  # grouped queries share keys and values
    q, k, v = _of(query, head), _of(key, shared), _of(value, shared)
    kept = _kept_keys(call, head, len(q), len(k))
    scale = float(call.scale) if call.scale is not None else q.shape[1] ** -0.5
    return Recorded(call.module, head, heads, q, k[kept], v[kept], scale)


def _of(tensor: Tensor, head: int) -> np.ndarray:
    """The first row of the batch, one head: ``[length, size]``."""
    return tensor.reshape(-1, *tensor.shape[-3:])[0, head].numpy()


def _kept_keys(call: _Call, head: int, queries: int, keys: int) -> np.ndarray:
    """Which keys are attended to, the same for every query."""
    refused = InputError(
        "its mask differs from query to query, which the array has no way to say",
        where=call.module,
        accepted="attention without a mask, or one that hides whole keys (padding)",
    )
    if call.is_causal:
        raise refused
    if call.attn_mask is None:
        return np.ones(keys, bool)
    import torch

    mask = torch.broadcast_to(call.attn_mask, (*call.query.shape[:-1], keys))
    rows = mask.reshape(-1, *mask.shape[-3:])[0, head].numpy()
    seen = rows if rows.dtype == bool else rows > HIDDEN
    if (seen != seen[0]).any() or (rows.dtype != bool and (rows[seen] != 0).any()) or not seen[0].any():
        raise refused
    return seen[0]


def compile_head(
    subject: Subject, target: Target, out: Path, layer: str | None, head: int, progress: Progress | None
) -> None:
    """Emit one attention head as Verilog with its operands, as a bundle.

    Raises:
        PenstockError: whatever a stage refuses; nothing is left half-written.
    """
    from .backends.verilog import emit_attention
    from .compiler import Stages, cost_json, raise_subject, tools
    from .ir.entries import read_entries
    from .ir.module import print_module
    from .passes.bind.gantt import text

    stages = Stages(progress)
    with BundleWriter(out) as writer, tempfile.TemporaryDirectory(prefix="penstock-") as scratch:
        kept = stages.run("record queries, keys, values", lambda: record(subject, layer, head))
        tiling = tiling_of(target, kept.q, kept.k, kept.v)
        schedule = stages.run("bind", lambda: bind_head(target, tiling, progress))
        module = stages.run("raise", lambda: raise_subject(_alone(kept))).module
        design = stages.run(
            "verilog",
            lambda: emit_attention(
                Path(scratch) / FOLDER,
                kept.title,
                schedule,
                *(kept.q, kept.k, kept.v),
                rows=tiling.rows,
                cols=tiling.cols,
                scale=kept.scale,
                most_p1=tiling.p1,
                chart=text(schedule),
            ),
        )
        for file in sorted(path for path in design.rglob("*") if path.is_file()):
            place = writer.path(f"{FOLDER}/{file.relative_to(design).as_posix()}")
            place.write_bytes(file.read_bytes())
            place.chmod(file.stat().st_mode)
        writer.write_text(MODULE, print_module(module))
        plan = {"functions": {}, "entries": {}, "schedules": {kept.title: schedule.to_json()}}
        writer.write_json(PLAN, plan)
        # No groups: the array's cycles come from its own model, sim/cost/spatial/epochs.py.
        writer.write_json(COST, cost_json(module, [], target, stages))
        writer.commit(
            tools=tools(),
            target=target.name,
            model={**subject.recipe, "layer": kept.name, "head": kept.head, "scale": kept.scale},
            entries=entries_json(read_entries(module)),
            backends={"verilog": {"designs": {kept.title: FOLDER}}},
        )


def _alone(kept: Recorded) -> Subject:
    """The head by itself, as a model of queries, keys and values."""
    import torch
    from torch import nn
    from torch.nn import functional

    class Head(nn.Module):
        def forward(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            return functional.scaled_dot_product_attention(q, k, v, scale=kept.scale)

    given = {"q": kept.q, "k": kept.k, "v": kept.v}
    inputs = {name: torch.from_numpy(each.copy())[None, None] for name, each in given.items()}
    return Subject(kept.title, {}, Head().eval(), {MAIN: inputs})


def tiling_of(target: Target, q: np.ndarray, k: np.ndarray, v: np.ndarray) -> Tiling:
    """How a head lies on the target's array.

    Raises:
        TargetError: the target is no such array, or its memories hold not one query tile.
        InputError: shapes that the array cannot hold.
    """
    rows, cols = array_shape(target)
    (queries, e), (keys, f) = q.shape, v.shape
    held = {buffer.name: buffer.capacity_bytes for buffer in target.buffer}
    room = [
        held[name] // bytes_each
        for name, bytes_each in ((QUERY_BUFFER, 2 * e), (STATE_BUFFER, 4 * (f + 2)))
        if name in held
    ]
    most = min(room, default=32)
    if most < 1:
        raise TargetError(
            f"not one query of E = {e}, F = {f} fits a lane's memories",
            where=target.name,
            accepted=f"larger {QUERY_BUFFER} and {STATE_BUFFER}",
        )
    return Tiling.of(rows, cols, e, f, queries=queries, keys=keys, most_p1=most)


def bind_head(target: Target, tiling: Tiling, progress: Progress | None = None) -> Schedule:
    """The epoch of a head: FuseMax's cascade 5, bound to the array's two units.

    Raises:
        PlanError: no schedule fits the registers and buffers.
    """
    from .passes.bind.assign import arrays_of
    from .passes.bind.cascades import attention_cascade
    from .passes.bind.graph import tile_graph
    from .passes.bind.modulo import schedule_tile

    sizes = {"e": tiling.e, "f": tiling.f, "m1": tiling.m1, "m0": tiling.rows}
    cascade = attention_cascade(**sizes, p1=tiling.p1, p0=tiling.cols)
    tasks, edges = tile_graph(cascade, target, rows=tiling.rows, cols=tiling.cols, p1=tiling.p1)
    arrays = arrays_of(target, rows=tiling.rows, columns=tiling.cols)
    registers = {array.name: array.entries for array in arrays if array.entries is not None}
    units = [array.name for array in arrays]
    found = schedule_tile(tasks, edges, units=units, copies=2, registers=registers, progress=progress)
    if found.stages > tiling.p1 and tiling.m1 > 2:
        # A tile must be through before its keys' place is needed again, P1 tiles later.
        through = tuple(Edge(last, "BQK", latency=1, distance=tiling.p1) for last in ("RNV", "RD"))
        found = schedule_tile(
            tasks, edges + through, units=units, copies=2, registers=registers, progress=progress
        )
    return _from_zero(found)


def _from_zero(schedule: Schedule) -> Schedule:
    """The same schedule, its first step in cycle 0."""
    begin = min(place.first for place in schedule.placed)
    return replace(
        schedule, placed=tuple(replace(place, first=place.first - begin) for place in schedule.placed)
    )


def with_operands(files: BundleFiles, name: str, inputs: Mapping[str, np.ndarray], scratch: Path) -> Path:
    """The bundle's design again, with queries, keys and values of the caller's.

    Args:
        files: a bundle of an attention head.
        name: of its design.
        inputs: ``q [P, E]``, not scaled, ``k [M, E]``, ``v [M, F]``.
        scratch: an empty folder.

    Raises:
        InputError: other arrays, or shapes that do not fit together or the array.
    """
    from .backends.verilog import emit_attention
    from .compiler import machine

    if set(inputs) != {"q", "k", "v"} or any(array.ndim != 2 for array in inputs.values()):
        given = ", ".join(f"{key} {list(array.shape)}" for key, array in inputs.items())
        raise InputError(f"arrays {given}", where="--inputs", accepted="q [P, E], k [M, E], v [M, F]")
    target = machine(files.manifest["target"])
    tiling = tiling_of(target, inputs["q"], inputs["k"], inputs["v"])
    return emit_attention(
        scratch / FOLDER,
        name,
        bind_head(target, tiling),
        *(inputs["q"], inputs["k"], inputs["v"]),
        rows=tiling.rows,
        cols=tiling.cols,
        scale=files.manifest["model"]["scale"],
        most_p1=tiling.p1,
    )


def has_array(target: Target) -> bool:
    """Whether the target is an array that heads run on."""
    return any(unit.name == ARRAY for unit in target.unit)


def array_shape(target: Target) -> tuple[int, int]:
    """Rows and columns of the target's array.

    Raises:
        TargetError: it has none with a row of lanes beside it.
    """
    shapes = {unit.name: unit.shape for unit in target.unit}
    shape = shapes.get(ARRAY, ())
    if len(shape) != 2 or shapes.get(ROW) != (shape[1],):
        raise TargetError(
            f"no attention head can be emitted for it: its units are {shapes}",
            where=target.name,
            accepted=f"fusemax-small, or a target with units '{ARRAY}' [rows, columns], '{ROW}' [columns]",
        )
    return int(shape[0]), int(shape[1])
