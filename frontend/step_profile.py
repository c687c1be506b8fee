"""From a model to the profile of its training step, on fake tensors: whose each storage is, and for how long.

After MEMO's job profiler (SIGMOD 2025, section 4.3.1), which runs an iteration and logs its requests. Tensors
are told apart by storage, so views and what q, k and v share count once; parameters are skipped. Sizes come
from the graph, whatever the block.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from ..ir.errors import InputError
from ..ir.step_profile import SKELETAL, StepProfile, Storage
from . import zoo
from .capture import essence
from .step_roles import roles
from .step_trace import StepTrace, mark

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16}
_FAILURES = (RuntimeError, TypeError, ValueError, AttributeError, LookupError, AssertionError)


def profile_zoo(spec: str, tokens: int, dtype: str = "bf16") -> StepProfile:
    """The profile of a step of a zoo model on one sequence.

    Args:
        spec: ``zoo:NAME[,key=value…]``.
        tokens: of the sequence.
        dtype: ``f32`` or ``bf16``.

    Raises:
        InputError: no such model, or one that is not a stack of layers over a sequence.
    """
    model = zoo.build(spec, device="meta", positions=2 * tokens)
    if model.entry.max_length is None or model.cache:
        accepted = "a language model of the zoo without a cache"
        raise InputError("no sequence to train on", where=spec, accepted=accepted)
    if tokens < 1:
        raise InputError(f"{tokens} tokens", where=spec, accepted="1 or more")
    shapes, vocabulary = [], 0
    for given in model.inputs.values():
        shapes.append((1, *(tokens if size is None else size for size in given.shape)))
        vocabulary = max(vocabulary, given.vocabulary)
    kinds = [given.kind == "values" for given in model.inputs.values()]
    return profile_module(model.module, shapes, name=spec, dtype=dtype, floating=kinds)


def profile_module(
    module: nn.Module,
    shapes: Sequence[tuple[int, ...]],
    *,
    name: str = "",
    dtype: str = "f32",
    floating: Sequence[bool] = (),
) -> StepProfile:
    """The profile of a step of a module on the meta device; its parameters become fake.

    A result that has an axis more than integer inputs is taken for logits, with cross-entropy behind it.

    Args:
        module: with a stack of alike layers in an ``nn.ModuleList``.
        shapes: of its inputs, [batch, tokens, …].
        name: for people.
        dtype: of activations.
        floating: of each input, whether it is values (and wants a gradient) or whole numbers; all values by
            default.

    Raises:
        InputError: no such stack, a step that cannot be traced, or a layer that keeps what does not grow with
            its tokens.
    """
    if dtype not in DTYPES:
        raise InputError(f"no activations in {dtype!r}", where="dtype", accepted=", ".join(DTYPES))
    where = name or type(module).__name__
    layers = stack(module, where)
    values = list(floating or [True] * len(shapes))
    with _fake(dtype):
        _make_fake(module)
        trace, gradients, given = _trace(module, layers, shapes, values, where)
        tokens = shapes[0][0] * shapes[0][1]
        storages = roles(trace, len(layers), tokens, gradients, given, where)
        if trace.doubtful:
            _check_growth(storages, module, layers, shapes, values, where)
    return StepProfile(
        model=where,
        tokens=tokens,
        dtype=dtype,
        layers=len(layers),
        parameters=sum(each.numel() for each in module.parameters()),
        layer_parameters=sum(each.numel() for each in layers[0].parameters()),
        operations=tuple(trace.operations),
        storages=storages,
        segments=tuple(trace.segments),
    )


def _trace(
    module: nn.Module,
    layers: Sequence[nn.Module],
    shapes: Sequence[tuple[int, ...]],
    values: Sequence[bool],
    where: str,
) -> tuple[StepTrace, set[int], set[int]]:
    """A step on inputs of these shapes, and the numbers of gradients of parameters and of the inputs."""
    inputs = [
        torch.empty(shape, requires_grad=True) if floating else torch.zeros(shape, dtype=torch.int64)
        for shape, floating in zip(shapes, values, strict=True)
    ]
    trace = StepTrace([*module.parameters(), *module.buffers()], shapes[0][1])
    hooks = mark(trace, layers)
    module.zero_grad(set_to_none=True)
    try:
        with trace:
            _step(module, inputs)
    except _FAILURES as error:
        raise InputError(f"the step cannot be traced: {essence(error)}", where=where) from error
    finally:
        for hook in hooks:
            hook.remove()
    gradients = {trace.number(each.grad) for each in module.parameters() if each.grad is not None}
    given = {trace.number(each) for each in inputs}
    trace.finish()
    return trace, gradients, given


def _check_growth(
    storages: Sequence[Storage],
    module: nn.Module,
    layers: Sequence[nn.Module],
    shapes: Sequence[tuple[int, ...]],
    values: Sequence[bool],
    where: str,
) -> None:
    """Refuse layers that keep more of a token in a longer sequence: attention that is written out."""
    length = shapes[0][1]
    longer = [(shape[0], 2 * length, *shape[2:]) for shape in shapes]
    trace, gradients, given = _trace(module, layers, longer, values, where)
    for short, long in zip(
        storages, roles(trace, len(layers), 2 * length * shapes[0][0], gradients, given, where), strict=True
    ):
        if short.role == SKELETAL and long.bytes != 2 * short.bytes:
            sizes = f"{short.bytes} bytes of {length} tokens and {long.bytes} of {2 * length}"
            accepted = "attention in one operator (attention=sdpa)"
            raise InputError(f"'{short.name}' keeps {sizes}", where=where, accepted=accepted)


@contextmanager
def _fake(dtype: str) -> Iterator[None]:
    """Fake tensors, and the type that new ones have."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(DTYPES[dtype])
    try:
        with FakeTensorMode(allow_non_fake_inputs=True), torch.enable_grad():
            yield
    finally:
        torch.set_default_dtype(before)


def _make_fake(module: nn.Module) -> None:
    """Parameters and buffers of the default type, fake; parameters want gradients. Ties stay ties."""
    made: dict[int, Tensor] = {}
    for part in module.modules():
        for name, parameter in part._parameters.items():
            if parameter is not None:
                if id(parameter) not in made:
                    made[id(parameter)] = nn.Parameter(torch.empty(parameter.shape))
                part._parameters[name] = made[id(parameter)]  # pyright: ignore[reportArgumentType]
        for name, buffer in part._buffers.items():
            if buffer is not None:
                kind = None if buffer.is_floating_point() else buffer.dtype
                part._buffers[name] = torch.empty(buffer.shape, dtype=kind)


def stack(module: nn.Module, where: str) -> Sequence[nn.Module]:
    """The layers: the longest list of modules of one class."""
    lists = [each for each in module.modules() if isinstance(each, nn.ModuleList) and len(each)]
    alike = [each for each in lists if len({type(layer) for layer in each}) == 1]
    if not alike:
        raise InputError("no stack of alike layers", where=where, accepted="layers in an nn.ModuleList")
    return list(max(alike, key=len))


def _step(module: nn.Module, inputs: Sequence[Tensor]) -> None:
    """A forward and a backward; nothing is held in between but what autograd holds."""
    module.train()
    loss = _loss(module(*inputs), inputs[0])
    loss.backward()


def _loss(result: Tensor | tuple[Tensor, ...], given: Tensor) -> Tensor:
    if isinstance(result, tuple):
        result = result[0]
    if not given.is_floating_point() and result.dim() == given.dim() + 1:
        return F.cross_entropy(result.flatten(0, -2), given.flatten())
    return result.sum()
