"""A transformer's block as hardware: a section of a fabric, and what reaches the block in a real run."""

from __future__ import annotations

import difflib
import inspect
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .ir.bitmod_format import BitmodWeights
from .ir.bundle import COST, MODULE, PLAN, BundleFiles, BundleWriter
from .ir.errors import InputError
from .ir.signature import entries_json
from .ir.targets import Target
from .layers import FOLDER, TEXT
from .progress import Progress
from .subject import MAIN, SEQUENCE, Subject

if TYPE_CHECKING:
    import torch
    from torch import nn

    from .backends.verilog.sn40l import Compiled
    from .frontend.torch_export import Raised
    from .passes.stages import Stages as BlockStages
    from .passes.tiers.plan import TierPlan

FABRIC = "agcu"
"""The private buffer that a target with a fabric has."""
TOKENS = 32
"""Of a sequence, where nobody says otherwise: what a PCU accumulates at once."""
PIPELINE = "relabel,simplify"


@dataclass(frozen=True)
class Recorded:
    """A block and what reached it.

    Attributes:
        name: of the module.
        block: the module itself.
        inputs: by the names of its arguments; the first axis of each counts sequences.
    """

    name: str
    block: nn.Module
    inputs: Mapping[str, torch.Tensor]

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """The inputs."""
        return {name: tensor.numpy() for name, tensor in self.inputs.items()}


def has_fabric(target: Target) -> bool:
    """Whether the target is a fabric of units that blocks stream through."""
    return any(buffer.name == FABRIC for buffer in target.buffer)


def sentences(text: str = TEXT) -> list[str]:
    """The text MiniLM reads, sentence by sentence."""
    return re.findall(r"[^.]+\.", text)


def record(subject: Subject, layer: str | None) -> Recorded:
    """Run the model once and keep what reaches a block.

    MiniLM reads sentences of a real text, each a sequence padded to the entry's length; other models their
    example inputs. Inputs whose first axis does not count sequences are spread over them.

    Args:
        subject: the model.
        layer: the block's name; by default the first of the model's first list of modules.

    Raises:
        InputError: no such module, or one that the run does not reach with tensors alone.
    """
    import torch

    modules = dict(subject.module.named_modules())
    name = _first_block(subject) if layer is None else layer
    if name not in modules:
        names = [each for each in modules if each]
        near = difflib.get_close_matches(name, names, 3) or names[:6]
        raise InputError(f"no module '{name}'", where="--layer", accepted=", ".join(near))
    block = modules[name]
    seen: list[Mapping[str, Any]] = []

    def keep(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        seen.append(inspect.signature(block.forward).bind(*args, **kwargs).arguments)

    hook = block.register_forward_pre_hook(keep, with_kwargs=True)
    try:
        with torch.inference_mode():
            subject.module(*_inputs(subject).values())
    finally:
        hook.remove()
    if not seen:
        raise InputError("the model's run does not reach it", where=name or subject.name)
    return Recorded(name, block.eval(), _spread(seen[0], block, name or subject.name))


def _spread(given: Mapping[str, Any], block: nn.Module, name: str) -> dict[str, torch.Tensor]:
    """What a block is given, copied, the first axis of each counting sequences.

    Raises:
        InputError: something else than tensors, or tensors for different numbers of sequences.
    """
    import torch

    tensors = [each for each in given.values() if isinstance(each, torch.Tensor) and each.ndim]
    first = list(inspect.signature(block.forward).parameters)[: len(given)]
    if not given or len(tensors) != len(given) or list(given) != first:
        told = ", ".join(f"{key}: {type(each).__name__}" for key, each in given.items())
        raise InputError(
            f"the block is given {told or 'nothing'}", where=name, accepted="tensors of any rank from 1"
        )
    count = len(tensors[0])
    if any(len(each) not in (1, count) for each in tensors):
        shapes = ", ".join(f"{key} {list(each.shape)}" for key, each in given.items())
        raise InputError(
            f"the block is given {shapes}", where=name, accepted=f"{count} sequences of each, or 1"
        )
    spread = (each.detach().expand(count, *each.shape[1:]).clone() for each in tensors)
    return dict(zip(given, spread, strict=True))


def _first_block(subject: Subject) -> str:
    from torch import nn

    for name, module in subject.module.named_modules():
        if isinstance(module, nn.ModuleList) and len(module):
            return f"{name}.0"
    return ""


def _inputs(subject: Subject) -> Mapping[str, torch.Tensor]:
    """What the model is run on.

    Raises:
        InputError: sequences of more than one length.
    """
    import torch

    entry = next(iter(subject.entries.values()))
    if subject.model is None or subject.model.entry.name != "minilm-l6":
        return entry
    from .frontend.zoo.minilm import tokenize

    wanted = subject.recipe.get("shapes", {})
    if len(lengths := wanted.get(SEQUENCE, (TOKENS,))) != 1:
        raise InputError(
            f"lengths {lengths}", where="--shape", accepted="one: all sequences are tiles of a size"
        )
    (length,) = lengths
    texts = sentences()
    count = len(next(iter(entry.values()))) if "b" in wanted else len(texts)
    chosen = [texts[at % len(texts)] for at in range(count)]
    return {name: torch.from_numpy(array) for name, array in tokenize(chosen, length).items()}


@dataclass(frozen=True)
class Block:
    """A block recognised.

    Attributes:
        recorded: the module, its inputs.
        raised: its Einsums, as the frontend gives them.
        module: the same, relabelled and simplified.
        stages: what it does.
        quantized: weights of linear layers, by name, where they are quantized.
        scheme: what to, or None.
    """

    recorded: Recorded
    raised: Raised
    module: Any
    stages: BlockStages
    quantized: Mapping[str, BitmodWeights] = field(default_factory=dict)
    scheme: str | None = None

    @property
    def reference(self) -> np.ndarray:
        """What the float64 interpreter makes of the inputs, with what quantized weights stand for."""
        from .ir.interpreter import interpret

        weights = {name: each.dequantize() for name, each in self.quantized.items()}
        arguments = {**self.raised.params, **weights, **self.recorded.arrays}
        (result,) = interpret(self.raised.module, MAIN, arguments).values()
        return np.asarray(result, np.float64)


def recognise(recorded: Recorded) -> Block:
    """Read a block's Einsums.

    Raises:
        PassError: it is no transformer's block.
        UnsupportedOps: operators that cannot be raised.
    """
    from .compiler import raise_subject
    from .ir.steps import functions
    from .passes.pipeline import parse_pipeline, run_pipeline
    from .passes.stages import recognise as read

    raised = raise_subject(Subject(recorded.name, {}, recorded.block.float(), {MAIN: dict(recorded.inputs)}))
    module, _ = run_pipeline(raised.module, parse_pipeline(PIPELINE))
    return Block(recorded, raised, module, read(functions(module)[MAIN]))


def quantized(block: Block, scheme: str) -> Block:
    """The block with the weights of its linear layers in a format of the BitMoD array.

    Raises:
        InputError: no such format, weights that are not finite, or no linear layer.
    """
    weights = linear_weights(block.stages, block.raised.params, scheme)
    return replace(block, quantized=weights, scheme=scheme)


def linear_weights(
    stages: BlockStages, params: Mapping[str, np.ndarray], scheme: str
) -> dict[str, BitmodWeights]:
    """The weights of linear layers, quantized, by name.

    Raises:
        InputError: as `quantized`.
    """
    from .passes.quantize import quantize
    from .passes.stages import Linear

    found = {
        stage.weight: quantize(params[stage.weight], scheme)
        for stage in stages.stages
        if isinstance(stage, Linear)
    }
    if not found:
        raise InputError("no linear layer to quantize", where="--quantize", accepted="no --quantize")
    return found


def compile_block(
    subject: Subject,
    target: Target,
    out: Path,
    layer: str | None,
    quantize: str | None,
    seed: int,
    progress: Progress | None,
) -> None:
    """Emit a transformer's block as a section of the target's fabric with its operands, as a bundle.

    Args:
        subject: the model.
        target: a machine with a fabric.
        out: the bundle's directory.
        layer: which block, as for `record`.
        quantize: a format of the BitMoD array, for the weights of linear layers.
        seed: of the placement on the mesh.
        progress: told of each stage.

    Raises:
        PenstockError: whatever a stage refuses; nothing is left half-written.
    """
    from .backends.verilog.sn40l import emit_section
    from .compiler import Stages, cost_json, tools
    from .ir.entries import read_entries
    from .ir.module import print_module
    from .outcome import plain

    stages, told = Stages(progress), {} if quantize is None else {"quantize": quantize}
    with BundleWriter(out) as writer, tempfile.TemporaryDirectory(prefix="penstock-") as scratch:
        recorded = stages.run("record activations", lambda: record(subject, layer))
        block = stages.run("recognise stages", lambda: recognise(recorded))
        if quantize is not None:
            block = stages.run("quantize", lambda: quantized(block, quantize))
        compiled, plan = stages.run(
            "place and route", lambda: placed(recorded.name, block.stages, target, seed, quantize)
        )
        reference = stages.run("interpret", lambda: block.reference)
        design = stages.run(
            "verilog",
            lambda: emit_section(
                Path(scratch) / FOLDER,
                compiled,
                block.raised.params,
                recorded.arrays,
                reference,
                block.quantized,
            ),
        )
        for file in sorted(path for path in design.rglob("*") if path.is_file()):
            place = writer.path(f"{FOLDER}/{file.relative_to(design).as_posix()}")
            place.write_bytes(file.read_bytes())
            place.chmod(file.stat().st_mode)
        writer.write_weights(block.raised.params)
        writer.write_text(MODULE, print_module(block.raised.module))
        writer.write_json(PLAN, {"functions": {}, "entries": {}, "tiers": plain(plan.to_json())})
        # No groups: the section's cycles come from its own model, sim/cost/fabric.
        writer.write_json(COST, cost_json(block.raised.module, [], target, stages))
        writer.commit(
            tools=tools(),
            target=target.name,
            model={**subject.recipe, "layer": recorded.name, "seed": seed, **told},
            entries=entries_json(read_entries(block.raised.module)),
            backends={"verilog": {"designs": {recorded.name: FOLDER}}},
        )


def placed(
    name: str, stages: BlockStages, target: Target, seed: int, quantize: str | None = None
) -> tuple[Compiled, TierPlan]:
    """Units on the target's fabric, regions in its tiers."""
    from .backends.verilog.sn40l import compile_section
    from .ir.targets.fabric import Machine
    from .passes.stages import addresses, map_stages, place_regions

    machine = Machine.of(target)
    section = map_stages(name, stages, machine, stages.tiles, quantize)
    plan = place_regions(section, target)
    return compile_section(section, machine, addresses(plan), seed), plan


def with_sequences(files: BundleFiles, name: str, inputs: Mapping[str, np.ndarray], scratch: Path) -> Path:
    """The bundle's design again, with inputs of the caller's, as many sequences as it was compiled for.

    Args:
        files: a bundle of a block.
        name: of its design.
        inputs: by the names of the block's arguments.
        scratch: an empty folder.

    Raises:
        InputError: other names or shapes.
    """
    from .backends.verilog.sn40l import emit_section
    from .compiler import machine
    from .ir.interpreter import interpret
    from .ir.module import parse_module
    from .ir.steps import functions
    from .passes.pipeline import parse_pipeline, run_pipeline
    from .passes.stages import recognise as read

    module = parse_module(files.text(MODULE), where=MODULE)
    expected = {spec["name"]: spec["shape"] for spec in files.manifest["entries"][MAIN]["inputs"]}
    given = {key: list(array.shape) for key, array in inputs.items()}
    if given != expected:
        accepted = ", ".join(f"{key} {shape}" for key, shape in expected.items())
        raise InputError(f"arrays {given}", where="--inputs", accepted=accepted)
    params = files.weights().arrays
    plain, _ = run_pipeline(parse_module(files.text(MODULE), where=MODULE), parse_pipeline(PIPELINE))
    stages = read(functions(plain)[MAIN])
    recipe = files.manifest["model"]
    scheme = recipe.get("quantize")
    weights = linear_weights(stages, params, scheme) if scheme else {}
    compiled, _ = placed(name, stages, machine(files.manifest["target"]), recipe.get("seed", 0), scheme)
    values = {key: each.dequantize() for key, each in weights.items()}
    (result,) = interpret(module, MAIN, {**params, **values, **inputs}).values()
    reference = np.asarray(result, np.float64)
    return emit_section(scratch / FOLDER, compiled, params, inputs, reference, weights)
