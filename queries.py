"""What can be asked of a model without compiling it: its module after some passes, its traffic, its price."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .ir.bundle import MODULE, open_bundle
from .ir.errors import InputError

if TYPE_CHECKING:
    from .ir.targets import Target
    from .passes.analyse.report import Report


def lower(
    model: str,
    pipeline: str | None,
    *,
    shapes: Mapping[str, Sequence[int]] | None = None,
    dtype: str = "f32",
    quantize: str | None = None,
    precision: str = "fp32",
    private: Sequence[str] = (),
    seed: int = 0,
) -> str:
    """A model's module after some passes, as MLIR text; nothing is built, and zoo models need no weights.

    Args:
        model: as for `compile`.
        pipeline: passes; ``""`` for the module as raised, None for the default pipeline.
        shapes, dtype, quantize, precision, private, seed: as for `compile`.

    Raises:
        PenstockError: a subclass that says what is wrong.
    """
    from .compiler import raise_subject
    from .frontend.zoo import PREFIX
    from .ir.module import parse_module, print_module
    from .passes.pipeline import parse_pipeline, run_pipeline, with_options
    from .subject import from_zoo, resolve

    passes = parse_pipeline(with_options(pipeline, quantize, precision, private))
    if model.endswith(".mlir"):
        module = parse_module(Path(model).read_text(encoding="utf-8"), where=model)
        return print_module(run_pipeline(module, passes)[0])
    if model.startswith(PREFIX):
        subject = from_zoo(model, shapes, dtype, seed, meta=True)
    else:
        subject = resolve(model, shapes, dtype, seed)
    module, _ = run_pipeline(raise_subject(subject).module, passes)
    return print_module(module)


def opt(
    path: str | Path,
    pipeline: str,
    *,
    print_after_all: Callable[[str, str], None] | None = None,
    timing: bool = False,
) -> tuple[str, list[tuple[str, float]]]:
    """Run passes on a module's text; the text that comes out, and seconds per pass.

    Raises:
        InputError: the file is no valid module.
        PassError: an unknown pass, or one that does not take the module.
    """
    from .ir.module import parse_module, print_module
    from .passes.pipeline import parse_pipeline, run_pipeline

    passes = parse_pipeline(pipeline)
    module = parse_module(Path(path).read_text(encoding="utf-8"), where=str(path))

    def after(name: str, stage: Any) -> None:
        if print_after_all is not None:
            print_after_all(name, print_module(stage))

    module, timings = run_pipeline(module, passes, after)
    return print_module(module), [(one.name, one.seconds) for one in timings] if timing else []


def analyze(
    source: str,
    *,
    target: str | None = None,
    buffer_bytes: int | None = None,
    shape: Mapping[str, int] | None = None,
    rank: str | None = None,
    element_bytes: int | None = None,
) -> Report:
    """Cascades of a model, a module's text or a text of Einsums: passes, footprints, traffic, rewritings.

    Args:
        source: as for `compile`, or a file of Einsums (``.txt``).
        target: a machine, for the buffer nearest its main memory; or
        buffer_bytes: capacity of the on-chip buffer. With neither, no traffic is worked out.
        shape: rank → extent, instead of those of the text; for a model of the zoo the ranks of `compile`.
        rank: only this rank.
        element_bytes: bytes of an element of a text's tensors, 2 when None; a model has its own.

    Raises:
        InputError: the source cannot be read; a rank is unknown or has no extent; the buffer is too small.
        TargetError: an unknown target.
    """
    from .frontend.zoo import PREFIX, parse_spec
    from .ir.module import parse_module
    from .ir.targets import load as load_target
    from .passes.analyse.analysis import WORD_BYTES, Question
    from .passes.analyse.report import report_module, report_text

    machine = None if target is None else load_target(target)
    if machine is not None:
        if buffer_bytes is not None:
            raise InputError("a target has its own buffer", accepted="--target or --buffer, not both")
        buffer_bytes = buffer_of(machine)
    question = Question(buffer_bytes, element_bytes or WORD_BYTES, rank, target=machine)
    asked = None if buffer_bytes is None and rank is None else question
    path = Path(source)
    if source.startswith(PREFIX):
        # Passes do not depend on the length; one entry, the longest, says it all.
        lengths = parse_spec(source)[0].lengths
        shapes = {name: [extent] for name, extent in (shape or {}).items()}
        if lengths and not shapes:
            shapes = {"s": [max(lengths)]}
        return report_module(parse_module(lower(source, "", shapes=shapes or None)), asked)
    if path.suffix in (".cascade", ".txt"):
        text = path.read_text(encoding="utf-8")
        return report_text(text, where=source, question=question, shape=shape)
    if shape:
        raise InputError(
            "the model's shapes are fixed", where=source, accepted="--shape with a .txt or zoo: model"
        )
    if path.suffix == ".mlir":
        return report_module(parse_module(path.read_text(encoding="utf-8"), where=source), asked)
    return report_module(parse_module(lower(source, "")), asked)


def buffer_of(machine: Target) -> int:
    """Bytes of the tier next to a target's main memory, on the near side.

    Raises:
        InputError: the target has none, or its size is unpublished.
    """
    names = [tier.name for tier in machine.tier]
    place = names.index(machine.main_tier)
    capacity = machine.tier[place - 1].capacity_bytes if place else None
    if capacity is None:
        raise InputError(
            f"{machine.name} has no memory of known size nearer than its {machine.main_tier}",
            accepted="--buffer BYTES",
        )
    return capacity


def price(
    model: str | Path,
    target: str = "bitmod-paper",
    weights: str = "bitmod4",
    *,
    shapes: Mapping[str, Sequence[int]] | None = None,
) -> list[dict[str, Any]]:
    """What a model's matrix products cost on an accelerator of the BitMoD paper, an entry point each.

    Args:
        model: a bundle's directory, or as for `compile`.
        target: one with a ``[[datapath]]``, such as ``bitmod-paper`` or ``ant-paper-gen``.
        weights: a number format, or bits of a weight such as ``4.5``.
        shapes: sizes per rank, for models of the zoo.

    Raises:
        PenstockError: a subclass that says what is wrong.
    """
    from .ir.module import parse_module
    from .ir.targets import load as load_target
    from .sim.cost.bitmod_paper import cost_entries

    machine = load_target(target)
    text = open_bundle(model).text(MODULE) if Path(model).is_dir() else lower(str(model), "", shapes=shapes)
    return cost_entries(parse_module(text, where=str(model)), machine, weights)
