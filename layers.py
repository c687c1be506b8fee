"""One linear layer of a model as hardware: its weights quantized, its activations recorded in a real run."""

from __future__ import annotations

import difflib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .ir.bundle import COST, MODULE, PLAN, BundleFiles, BundleWriter
from .ir.errors import InputError, TargetError
from .ir.signature import entries_json
from .ir.targets import Target
from .progress import Progress
from .subject import MAIN, Subject

if TYPE_CHECKING:
    import torch
    from torch import nn

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


def record(subject: Subject, layer: str | None) -> Recorded:
    """Run the model once and keep what reaches one of its linear layers.

    MiniLM reads a real text; other models their example inputs. At most `TOKENS` rows are kept.

    Args:
        subject: the model.
        layer: name of the layer; the first linear layer when None.

    Raises:
        InputError: no such linear layer, or the run does not reach it.
    """
    import torch
    from torch import nn

    linears = {name: part for name, part in subject.module.named_modules() if isinstance(part, nn.Linear)}
    if not linears:
        raise InputError("the model has no linear layer", where=subject.name, accepted="a model with one")
    chosen = next(iter(linears)) if layer is None else layer
    if chosen not in linears:
        near = difflib.get_close_matches(chosen, linears, 3) or list(linears)[:6]
        raise InputError(f"no linear layer '{chosen}'", where="--layer", accepted=", ".join(near))
    seen: list[torch.Tensor] = []
    hook = linears[chosen].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    try:
        with torch.inference_mode():
            subject.module(*own_inputs(subject).values())
    finally:
        hook.remove()
    if not seen:
        raise InputError("the model's run does not reach the layer", where=chosen)
    rows = seen[0].reshape(-1, seen[0].shape[-1])[:TOKENS]
    return Recorded(chosen, linears[chosen], rows.to(torch.float16).numpy())


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
    """Emit one linear layer as Verilog with its operands, as a bundle.

    Raises:
        PenstockError: whatever a stage refuses; nothing is left half-written.
    """
    import torch

    from .backends.verilog import emit
    from .compiler import Stages, cost_json, raise_subject, tools
    from .ir.entries import read_entries
    from .ir.module import print_module
    from .passes.quantize import quantize as quantize_weights

    rows, cols = _array_shape(target)
    stages = Stages(progress)
    with BundleWriter(out) as writer, tempfile.TemporaryDirectory(prefix="penstock-") as scratch:
        kept = stages.run("record activations", lambda: record(subject, layer))
        quantized = stages.run("quantize", lambda: quantize_weights(kept.weight, quantize or SCHEME))
        inputs = {MAIN: {"input": torch.from_numpy(kept.activations.astype(np.float32))}}
        alone = Subject(kept.name, {}, kept.layer.float().eval(), inputs)
        module = stages.run("raise", lambda: raise_subject(alone)).module
        design = Path(scratch) / FOLDER
        stages.run(
            "verilog",
            lambda: emit(
                design, kept.name, quantized, kept.weight, kept.bias, kept.activations, rows=rows, cols=cols
            ),
        )
        for file in sorted(path for path in design.rglob("*") if path.is_file()):
            place = writer.path(f"{FOLDER}/{file.relative_to(design).as_posix()}")
            place.write_bytes(file.read_bytes())
            place.chmod(file.stat().st_mode)
        bias = {} if kept.bias is None else {"bias": kept.bias}
        writer.write_weights({"weight": kept.weight, **bias})
        writer.write_text(MODULE, print_module(module))
        writer.write_json(PLAN, {"functions": {}, "entries": {}})  # the design's buffers are its own
        # No groups: the array's cycles come from its own model, sim/cost/bitmod.py, not from a roofline.
        writer.write_json(COST, cost_json(module, [], target, stages))
        writer.commit(
            tools=tools(),
            target=target.name,
            model={**subject.recipe, "layer": kept.name, "quantize": quantize or SCHEME},
            entries=entries_json(read_entries(module)),
            backends={"verilog": {"designs": {kept.name: FOLDER}}},
        )


def with_activations(files: BundleFiles, layer: str, inputs: Mapping[str, np.ndarray], scratch: Path) -> Path:
    """The bundle's design again, with activations of the caller's.

    Args:
        files: a Verilog bundle.
        layer: name of its design.
        inputs: one array, ``[T, D]``.
        scratch: an empty folder.

    Raises:
        InputError: not one array, or one that does not fit the layer.
    """
    from .backends.verilog import emit
    from .compiler import machine
    from .passes.quantize import quantize

    if len(inputs) != 1:
        raise InputError(f"{len(inputs)} arrays", where="--inputs", accepted="one, the activations [T, D]")
    held = files.weights().arrays
    rows, cols = _array_shape(machine(files.manifest["target"]))
    quantized = quantize(held["weight"], files.manifest["model"]["quantize"])
    activations = next(iter(inputs.values()))
    return emit(
        scratch / FOLDER,
        layer,
        quantized,
        held["weight"],
        held.get("bias"),
        activations,
        rows=rows,
        cols=cols,
    )


def _array_shape(target: Target) -> tuple[int, int]:
    """Rows and columns of the target's array of processing elements."""
    shape = next((unit.shape for unit in target.unit if unit.name == "pe"), ())
    if len(shape) != 2:
        raise TargetError(
            f"no layer can be emitted for it: the RTL is one tile of rows × columns, its array {list(shape)}",
            where=target.name,
            accepted="bitmod-small, or a target file with a two-dimensional unit 'pe'",
        )
    return int(shape[0]), int(shape[1])
