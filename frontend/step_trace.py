"""Tracing a training step on fake tensors: every operator, and when every storage begins and ends to live.

Nothing is allocated or computed: shapes run through PyTorch's own autograd, in its order, and memory is freed
when PyTorch would free it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.hooks import RemovableHandle

from ..ir.step_profile import Operation, Segment
from .flops import flops, name


@dataclass
class Traced:
    """A storage as it was seen.

    Attributes:
        ref: gives way when the storage is freed.
        bytes, start, end: of it; `end` is None while it lives.
        made_by: operator that made it; empty for what was there before.
        output: which of its results it is.
        module: path of the module that ran, from its layer.
    """

    ref: StorageWeakRef
    bytes: int
    start: int
    end: int | None = None
    made_by: str = ""
    output: int = 0
    module: str = ""


@dataclass
class StepTrace(TorchDispatchMode):
    """Records operators while it is entered; `segment` and `module` are set by hooks.

    Args:
        known: parameters and buffers, which are not recorded.
        length: of the sequence.

    Attributes:
        operations, storages, segments: what was seen, in order.
        module: paths of the modules that run, the innermost last.
        layer_inputs: layer → storage it takes.
        doubtful: a tensor was made with two axes of that length.
    """

    known: Sequence[Tensor]
    length: int = 0
    operations: list[Operation] = field(default_factory=list)
    storages: list[Traced] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    module: list[str] = field(default_factory=list)
    layer_inputs: dict[int, int] = field(default_factory=dict)
    doubtful: bool = False

    def __post_init__(self) -> None:
        super().__init__()
        self._ignored = [StorageWeakRef(each.untyped_storage()) for each in self.known]
        self._skipped = {ref.cdata for ref in self._ignored}
        self._live: dict[int, int] = {}
        self._begun, self._name = 0, "begin"

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operator on fake tensors and record it, unless it only makes views."""
        kwargs = kwargs or {}
        self.sweep()
        result = func(*args, **kwargs)
        given, made = list(_tensors((args, kwargs))), list(_tensors(result))
        before = {self.number(each) for each in given}
        if not made:
            return result
        after = {self.number(each, func, at) for at, each in enumerate(made)}
        changes = after - before or func._schema.is_mutable
        if changes:
            moved = sum(each.numel() * each.element_size() for each in (*given, *made))
            self.operations.append(
                Operation(
                    name(func),
                    flops(func, args, kwargs),
                    moved,
                    tuple(sorted(each for each in before if each >= 0)),
                    tuple(sorted(each for each in after if each >= 0)),
                )
            )
        return result

    def number(self, tensor: Tensor, made_by: Any = None, output: int = 0) -> int:
        """Number of a tensor's storage, below 0 for a parameter's; a new one where it was not seen."""
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._skipped:
            return -1
        if key not in self._live:
            self._live[key] = len(self.storages)
            self.doubtful |= tuple(tensor.shape).count(self.length) > 1
            made = name(made_by) if made_by else ""
            where = self.module[-1] if self.module and made else ""
            ref = StorageWeakRef(storage)
            seen = Traced(ref, storage.nbytes(), len(self.operations), None, made, output, where)
            self.storages.append(seen)
        return self._live[key]

    def sweep(self) -> None:
        """Notice which storages were freed since the last operator."""
        for key, number in list(self._live.items()):
            if self.storages[number].ref.expired():
                self.storages[number].end = len(self.operations)
                del self._live[key]

    def begin(self, segment: str) -> None:
        """What follows is part of that segment; the one before ends."""
        self.sweep()
        at = len(self.operations)
        self.segments.append(Segment(self._name, self._begun, at))
        self._begun, self._name = at, segment

    def finish(self) -> None:
        """The step is over: what still lives lives to its end."""
        self.begin("")
        for number in self._live.values():
            self.storages[number].end = len(self.operations)


def _tensors(tree: Any) -> Iterator[Tensor]:
    return (leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor))


def mark(trace: StepTrace, layers: Sequence[nn.Module]) -> list[RemovableHandle]:
    """Hooks that tell the trace which layer's forward or backward runs, and which module within it."""
    hooks = []
    for at, layer in enumerate(layers):
        hooks.append(layer.register_forward_pre_hook(_entering(trace, at), with_kwargs=True))
        for path, module in layer.named_modules():
            hooks.append(module.register_forward_pre_hook(lambda *_, path=path: trace.module.append(path)))
            hooks.append(module.register_forward_hook(lambda *_: _leave(trace)))
    hooks.append(layers[-1].register_forward_hook(_left(trace, len(layers) - 1)))
    return hooks


def _leave(trace: StepTrace) -> None:
    trace.module.pop()


def _entering(trace: StepTrace, at: int) -> Any:
    def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        trace.begin(f"forward/{at}")
        taken = next(_tensors((args, kwargs)))
        trace.layer_inputs[at] = trace.number(taken)
        if taken.requires_grad:  # once its gradient is there, this layer's backward is over
            taken.register_hook(lambda _: trace.begin(f"backward/{at - 1}" if at else "finish"))

    return hook


def _left(trace: StepTrace, at: int) -> Any:
    def hook(module: nn.Module, args: Any, result: Any) -> None:
        trace.begin("head")
        next(_tensors(result)).register_hook(lambda _: trace.begin(f"backward/{at}"))

    return hook
