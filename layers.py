"""Linear layers of a model as hardware: weights quantized, activations recorded in a real run."""

from __future__ import annotations

import difflib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .ir.bundle import COST, MODULE, PLAN, BundleFiles, BundleWriter
from .ir.errors import InputError
from .ir.signature import entries_json
from .ir.targets import Target
from .progress import Progress
from .subject import MAIN, Subject

if TYPE_CHECKING:
    import torch
    from torch import nn

    from .backends.verilog import Linear

FOLDER = "verilog"
SCHEME = "bitmod4"
TOKENS = 128
TEXT = (
    "A penstock is the pipe that carries a reservoir's water down to the turbines of a power station. "
    "Gates at its head let water in or hold it back, and a surge tank takes up the blow when the flow is "
    "stopped at once. The steeper the pipe, the higher the head, and the more work every cubic metre does. "
    "Engineers choose its diameter with care: a narrow pipe wastes energy in friction, a wide one costs "
    "steel. Old stations riveted their penstocks from plates; newer ones weld them, bury them in rock, and "
    "watch them with strain gauges. Below, the turbine turns, the generator hums, and the river goes on."
)
"""What MiniLM reads when its activations are recorded: 128 tokens of it."""


@dataclass(frozen=True)
class Recorded:
    """A linear layer and what reached it.

    Attributes:
        name: in the model.
        layer: the module itself.
        activations: ``[T, D]`` FP16, rows in order.
    """

    name: str
    layer: nn.Linear
    activations: np.ndarray

    @property
    def weight(self) -> np.ndarray:
        """``[N, D]`` float32."""
        return self.layer.weight.detach().float().numpy()

    @property
    def bias(self) -> np.ndarray | None:
        """``[N]`` float32, or None."""
        return None if self.layer.bias is None else self.layer.bias.detach().float().numpy()


def record(subject: Subject, part: str | None) -> list[Recorded]:
    """Run the model once and keep what reaches linear layers of it, in the order they run.

    MiniLM reads a real text; other models their example inputs. At most `TOKENS` rows of a layer's first call
    are kept.

    Args:
        subject: the model.
        part: a linear layer, or a module that holds some; the model's first linear layer when None.

    Raises:
        InputError: no such layer or module, or layers that the run does not reach.
    """
    import torch

    linears = _linears(subject, part)
    seen: dict[str, torch.Tensor] = {}

    def keep(name: str) -> Callable[..., None]:
        def hook(_: nn.Module, given: tuple[torch.Tensor, ...]) -> None:
            seen.setdefault(name, given[0].detach().reshape(-1, given[0].shape[-1])[:TOKENS].clone())

        return hook

    hooks = [layer.register_forward_pre_hook(keep(name)) for name, layer in linears.items()]
    try:
        with torch.inference_mode():
            subject.module(*own_inputs(subject).values())
    finally:
        for hook in hooks:
            hook.remove()
    missed = [name for name in linears if name not in seen]
    if missed:
        raise InputError("the model's run does not reach it", where=", ".join(missed))
    return [Recorded(name, linears[name], rows.to(torch.float16).numpy()) for name, rows in seen.items()]


def _linears(subject: Subject, part: str | None) -> dict[str, nn.Linear]:
    """The linear layers of a part, by name."""
    from torch import nn

    modules = dict(subject.module.named_modules())
    linears = {name: module for name, module in modules.items() if isinstance(module, nn.Linear)}
    if not linears:
        raise InputError("the model has no linear layer", where=subject.name, accepted="a model with one")
    chosen = next(iter(linears)) if part is None else part
    inside = {
        name: module
        for name, module in linears.items()
        if name == chosen or (chosen in modules and name.startswith(f"{chosen}."))
    }
    if not inside:
        near = difflib.get_close_matches(chosen, modules, 3) or list(linears)[:6]
        raise InputError(
            f"no linear layer '{chosen}', and no module that holds one",
            where="--layer",
            accepted=", ".join(near),
        )
    return inside


def own_inputs(subject: Subject) -> dict[str, torch.Tensor]:
    """What a model is run on to see what reaches its parts: MiniLM a real text, others example inputs."""
    import torch

    if subject.model is not None and subject.model.entry.name == "minilm-l6":
        from .frontend.zoo.minilm import tokenize

        return {name: torch.from_numpy(array) for name, array in tokenize([TEXT], TOKENS).items()}
    return next(iter(subject.entries.values()))


def compile_verilog(
    subject: Subject,
    target: Target,
    out: Path,
    layer: str | None,
    quantize: str | None,
    progress: Progress | None,
) -> None:
    """Emit linear layers as Verilog with their operands, as a bundle.

    Args:
        subject: the model.
        target: its accelerator.
        out: the bundle's directory.
        layer: which layers, as for `record`.
        quantize: a format, or ``bits=4.5``, formats for this mean width.
        progress: told of each stage.

    Raises:
        PenstockError: whatever a stage refuses; nothing is left half-written.
    """
    from .backends.verilog import emit
    from .compiler import Stages, cost_json, raise_subject, tools
    from .ir.entries import read_entries
    from .ir.module import print_module
    from .sim.cost.bitmod_target import accelerator_of, latency_of

    accelerator = accelerator_of(target)
    stages = Stages(progress)
    with BundleWriter(out) as writer, tempfile.TemporaryDirectory(prefix="penstock-") as scratch:
        kept = stages.run("record activations", lambda: record(subject, layer))
        name = layer or kept[0].name
        linears = stages.run("quantize", lambda: _quantized(kept, quantize or SCHEME))
        raised = stages.run("raise", lambda: raise_subject(_alone(name, kept)))
        design = Path(scratch) / FOLDER
        stages.run("verilog", lambda: emit(design, name, linears, accelerator, latency=latency_of(target)))
        for file in sorted(path for path in design.rglob("*") if path.is_file()):
            place = writer.path(f"{FOLDER}/{file.relative_to(design).as_posix()}")
            place.write_bytes(file.read_bytes())
            place.chmod(file.stat().st_mode)
        writer.write_weights(raised.params)
        writer.write_text(MODULE, print_module(raised.module))
        writer.write_json(PLAN, {"functions": {}, "entries": {}})  # the design's buffers are its own
        # No groups: the accelerator's cycles come from its own model, sim/cost/bitmod_accel.py.
        writer.write_json(COST, cost_json(raised.module, [], target, stages))
        writer.commit(
            tools=tools(),
            target=target.name,
            model={**subject.recipe, "layer": name, "quantize": quantize or SCHEME},
            entries=entries_json(read_entries(raised.module)),
            backends={"verilog": {"designs": {name: FOLDER}}},
        )


def _quantized(kept: Sequence[Recorded], scheme: str) -> list[Linear]:
    """The layers with quantized weights: all in one format, or in formats that average so many bits."""
    from .backends.verilog import Linear
    from .passes.quantize import quantize
    from .passes.quantize.mixed import WIDTHS, assign, budget, sensitivity

    average = budget(scheme)
    formats = dict.fromkeys([each.name for each in kept], scheme)
    if average is not None:
        options = {each.name: sensitivity(each.weight, WIDTHS) for each in kept}
        formats.update(assign(options, {each.name: each.weight.size for each in kept}, average).formats)
    return [
        Linear.of(
            each.name, quantize(each.weight, formats[each.name]), each.weight, each.bias, each.activations
        )
        for each in kept
    ]


def _alone(name: str, kept: Sequence[Recorded]) -> Subject:
    """The layers by themselves, as a model with an input and an output for each."""
    import torch
    from torch import nn

    given = [torch.from_numpy(each.activations.astype(np.float32)) for each in kept]
    if len(kept) == 1:
        return Subject(name, {}, kept[0].layer.float().eval(), {MAIN: {"input": given[0]}})

    class Layers(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.ModuleList(each.layer.float() for each in kept)

        def forward(self, **inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return tuple(layer(each) for layer, each in zip(self.layer, inputs.values(), strict=True))

    return Subject(
        name, {}, Layers().eval(), {MAIN: {f"input{number}": each for number, each in enumerate(given)}}
    )


def with_activations(files: BundleFiles, name: str, inputs: Mapping[str, np.ndarray], scratch: Path) -> Path:
    """The bundle's design again, with activations of the caller's.

    Args:
        files: a Verilog bundle.
        name: of its design.
        inputs: arrays ``[T, D]`` by layer, the others stay; for a bundle of one layer, one by any name.
        scratch: an empty folder.

    Raises:
        InputError: names that are no layers of the bundle, or arrays that do not fit theirs.
    """
    from .backends.verilog import Linear, emit
    from .sim.rtl.bitmod import ChainDesign

    held = ChainDesign.load(files.path / files.manifest["backends"]["verilog"]["designs"][name])
    given = dict(inputs)
    if len(held.names) == len(given) == 1:
        given = {held.names[0]: next(iter(given.values()))}
    strangers = [each for each in given if each not in held.names]
    if strangers or not given:
        raise InputError(
            f"arrays {', '.join(given) or 'none'}",
            where="--inputs",
            accepted=f"activations [T, D] by layer: {', '.join(held.names)}",
        )
    linears = [
        Linear.of(
            layer,
            held.weights(number),
            held.operand(number, "weights"),
            held.operand(number, "bias"),
            given.get(layer, held.operand(number, "activations")),
        )
        for number, layer in enumerate(held.names)
    ]
    return emit(scratch / FOLDER, name, linears, held.accelerator, latency=held.memory["latency"])
