"""From a Composition of Experts to a bundle: the router and one expert compiled, an image for every expert.

All experts have one shape, so one program runs them all; what differs is the image of their weights. The
bundle holds two bundles, ``router`` and ``expert``, and the images.

Where the choice is private, whatever is made of an expert's weights is: the program is refused where an
address, a branch or a shape depends on one (docs/oblivious.md). Who serves it is `private_serving.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .backends.cpu.experts import BACKEND, CHOICE, IMAGE, INPUT, ROUTER, SHAPE
from .compiler import USUAL, Making, compile_model, raise_subject, tools
from .ir.bundle import MODULE, BundleWriter, open_bundle
from .ir.errors import InputError
from .ir.targets import Target
from .progress import Progress
from .subject import SEQUENCE, Subject, from_module

if TYPE_CHECKING:
    from .backends.cpu.images import Images as CpuImages
    from .backends.cuda.images import Images as CudaImages
    from .ir.mlir import ir


def compile_composition(
    spec: str,
    target: Target,
    out: Path,
    shapes: Mapping[str, Sequence[int]] | None,
    precision: str,
    private: Sequence[str],
    progress: Progress | None,
    making: Making = USUAL,
) -> None:
    """Compile ``zoo:coe[,experts=N][,seed=S]`` for a CPU or a GPU and write its bundle.

    Args:
        spec: the composition.
        target: the machine.
        out: the bundle's directory.
        shapes: one length of prompts, as ``s``.
        precision: as for other models.
        private: ``expert``, the choice of who answers; ``input_ids``, and with the tokens the choice.
        progress: told of each stage and image.
        making: of its programs.

    Raises:
        PenstockError: whatever a stage refuses; nothing is left half-written.
    """
    from .frontend.zoo.coe import Composition
    from .ir.module import parse_module
    from .passes.pipeline import FULL
    from .passes.precision import round_params

    composition = Composition.of(spec)
    length, hidden = _length(shapes), _hidden(private)
    tokens = hidden[1:]
    with BundleWriter(out) as writer:
        router = _subject(f"{spec}: router", composition.router(), length)
        compile_model(router, target, writer.path(ROUTER), None, None, precision, tokens, progress, making)
        first = _subject(f"{spec}: expert 0", composition.expert(0), length)
        pipeline = _pipeline(hidden, precision)
        compile_model(first, target, writer.path(SHAPE), pipeline, None, FULL, (), progress, making)
        compiled = open_bundle(writer.path(SHAPE))
        module = parse_module(compiled.text(MODULE), where=str(out))
        images = _images(module, target)
        known = raise_subject(first).params
        names = set(dict(first.module.named_buffers()))
        for number, expert in enumerate(composition.experts()):
            if progress is not None:
                progress("images of experts", number, composition.count)
            params = round_params(module, _params(known, expert, names))
            images.write(writer.path(IMAGE.format(number)), params)
        facts: dict[str, Any] = {
            "experts": composition.count,
            "length": length,
            "machine": target.backend,
        }
        if hidden:
            facts["private"] = list(hidden)
        writer.commit(
            tools=tools(),
            target=target.name,
            model={"name": spec, "shapes": {SEQUENCE: [length]}},
            entries={},
            backends={BACKEND: facts},
        )


def _images(module: ir.Module, target: Target) -> CpuImages | CudaImages:
    """What writes images for the target's program."""
    if target.backend == "cpu":
        from .backends.cpu.images import Images

        return Images(module)
    from .backends.cuda.images import Images
    from .backends.cuda.kernel import arch_named

    return Images(module, arch_named(target.device[0].architecture))


def _length(shapes: Mapping[str, Sequence[int]] | None) -> int:
    from .frontend.zoo import COMPOSITION

    given = dict(shapes or {})
    lengths = given.pop(SEQUENCE, COMPOSITION.lengths)
    most = COMPOSITION.max_length or 0
    if given or len(lengths) != 1 or not 1 <= lengths[0] <= most:
        raise InputError(
            "a composition takes prompts of one length", where="--shape", accepted=f"s=N, N from 1 to {most}"
        )
    return lengths[0]


def _hidden(private: Sequence[str]) -> tuple[str, ...]:
    """What may not be seen: nothing, the choice, or the choice and the tokens it is made from.

    Raises:
        InputError: another name.
    """
    for name in private:
        if name not in (CHOICE, INPUT):
            accepted = f"{CHOICE}, {INPUT}"
            raise InputError(f"no input '{name}' to be private", where="--private", accepted=accepted)
    return (CHOICE, INPUT) if INPUT in private else tuple(dict.fromkeys(private))


def _pipeline(hidden: Sequence[str], precision: str) -> str | None:
    """Passes of the program that runs every expert: with a private choice its weights are private."""
    from .passes.pipeline import DEFAULT, with_options

    usual = with_options(None, None, precision)
    if not hidden:
        return usual
    first = f"oblivious{{weights=private,private={'+'.join(hidden[1:])}}}"
    return ",".join((first, usual or ",".join(DEFAULT)))


def _subject(name: str, module: Any, length: int) -> Subject:
    from dataclasses import replace

    from .frontend.zoo.coe import prompts

    return replace(from_module(module, {"input_ids": prompts(1, length, 0)}, "f32"), name=name)


def _params(known: Mapping[str, Any], expert: Any, buffers: set[str]) -> dict[str, Any]:
    """The parameters of an expert by the names the first one's have; what is made of buffers is the same.

    Raises:
        InputError: a parameter that is made of trained values, which others have other values of.
    """
    state = {name: tensor.numpy() for name, tensor in expert.state_dict().items()}
    found = {}
    for name, value in known.items():
        origin = name.partition(":")[0]
        if name not in state and origin not in buffers:
            raise InputError("a weight that was folded at compile time", where=name)
        found[name] = state.get(name, value)
    return found
