"""From a model to a bundle with a memory map: for a target that is modelled, and whose code nobody makes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .compiler import Stages, priced_json, raise_subject, tools
from .ir.bundle import COST, MODULE, PLAN, BundleWriter
from .ir.errors import InputError
from .ir.signature import entries_json
from .ir.targets import Target
from .progress import Progress
from .subject import Subject

if TYPE_CHECKING:
    from .passes.base import Pass
    from .passes.place import Place


def compile_mapped(
    model: str | Subject,
    where: str,
    target: Target,
    out: Path,
    pipeline: str | None,
    progress: Progress | None,
) -> None:
    """Compile for a target that is modelled and has a fast tier: a bundle with a memory map, no code.

    Args:
        model: ready to be raised, its weights not needed; or the path of a module's text.
        where: the target as the user named it.
        target: what it is.
        out, pipeline, progress: as for the CPU.

    Raises:
        TargetError: the target has no fast tier, or does not perform an operator.
        PenstockError: whatever a stage refuses; nothing is left half-written.
    """
    from .ir.entries import read_entries
    from .ir.module import parse_module, print_module
    from .outcome import plain
    from .passes.pipeline import run_pipeline
    from .passes.place.compiled import as_stored
    from .passes.place.profiles import tiers_of
    from .sim.cost.module import count_groups

    tiers = [tier.name for tier in tiers_of(target)]  # a target without a fast one is said before any work
    before, place = mapping(pipeline, where)
    place.progress = progress
    with BundleWriter(out) as writer:
        stages = Stages(progress)
        if isinstance(model, str):
            text = Path(model).read_text(encoding="utf-8")
            name, recipe = Path(model).stem, {}
            module = stages.run("raise", lambda: parse_module(text, where=model))
        else:
            count = sum(parameter.numel() for parameter in model.module.parameters())
            name, recipe = model.name, {**model.recipe, "parameters": count}
            module = stages.run("raise", lambda: raise_subject(model).module)
        for one in before:
            module, _ = stages.run(one.name, lambda one=one, module=module: run_pipeline(module, [one]))
        entries = read_entries(module)
        counts = {entry.name: map(as_stored, count_groups(module, entry.name)) for entry in entries}
        module, _ = stages.run(place.name, lambda: run_pipeline(module, [place]))
        writer.write_text(MODULE, print_module(module))
        for entry, found in place.maps.items():
            writer.write_text(f"maps/{entry}.svg", found.svg())
        maps = {
            entry: {"tiers": tiers, **plain(found.to_json()), "problem": found.problem.to_json()}
            for entry, found in place.maps.items()
        }
        writer.write_json(PLAN, {"functions": {}, "entries": {}, "maps": maps})
        writer.write_json(COST, priced_json(counts, target, stages))
        writer.commit(
            tools=tools(),
            target=target.name,
            model={"name": name, **recipe},
            entries=entries_json(entries),
            backends={},
        )


def mapping(pipeline: str | None, where: str) -> tuple[list[Pass], Place]:
    """The passes before the last, and the last, which maps to the target.

    Raises:
        InputError: the pipeline's last pass does not place, or places on another target.
    """
    from .passes.pipeline import parse_pipeline
    from .passes.place import Place

    *before, place = parse_pipeline(pipeline)
    if not isinstance(place, Place) or place.target not in ("", where):
        raise InputError(
            f"its last pass does not map tensors to {where}",
            where=f"--pipeline {pipeline}",
            accepted=f"relabel,simplify,fuse,place{{solver=hybrid,target={where}}}",
        )
    place.target = where
    return before, place
