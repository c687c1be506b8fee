"""The search behind ``penstock compile --tune``: how the contractions of each kernel are best cut here.

Starting from the cache model's cuts, one knob at a time is tried at a few values, on the kernel alone with
random tensors, candidates taking turns; what is not faster by a margin is not taken. Every candidate must
compute the same bits as the cache model's kernel. What was found is kept in the user's cache, by machine,
threads and what the kernel computes, and written on the module's groups (``blocking``) and into the bundle,
so that another compilation can be given the same choices and is then the same.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...ir.build import string
from ...ir.errors import InputError
from ...ir.mlir import ir
from ...ir.steps import functions, is_entry
from ...ir.targets.host import detect
from ...ir.user_cache import user_cache
from .blocking import BLOCKING, Blocking
from .groups import structure, written_groups
from .isa import Isa
from .kernels import Kernel, emit_kernel
from .trial import Trial

RECORD = "cpu/tuning.json"
"""Where a bundle keeps the choices it was compiled with."""

KNOBS: Mapping[str, tuple[int, ...]] = {
    "vectors": (1, 2, 3, 4, 6),
    "rows": (32, 64, 256),
    "lanes": (128, 192, 768),
    "stretch": (1, 6, 12),
}
"""Values tried of each field of `Blocking`, in this order of knobs."""

MARGIN = 0.02
"""What is not faster by this share is not taken."""

ROUNDS = 7

Measure = Callable[[ir.Operation, Sequence[Kernel], Isa], list[float]]
"""Seconds of each kernel of a group; infinity for one whose results differ from the first one's."""

Progress = Callable[[str, float, float | None], None]


@dataclass(frozen=True)
class Tuned:
    """What a search found, by the key of each group (`key_of`).

    Attributes:
        choices: cuts, as `Blocking` writes them; empty where the cache model's stay.
        measured: how many groups were measured now, and not found in the cache.
    """

    choices: Mapping[str, str]
    measured: int

    def to_json(self) -> dict[str, Any]:
        """The record for a bundle: nothing that differs between two compilations with the same choices."""
        return {"choices": dict(sorted(self.choices.items()))}


def tune(
    module: ir.Module,
    isa: Isa,
    *,
    threads: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    measure: Measure | None = None,
) -> Tuned:
    """Search for every group with contractions, and write what is found on the module.

    Args:
        module: placed; changed in place.
        isa: what its kernels will be written for.
        threads: of the runs; the cores present when None.
        seed: of the tensors.
        progress: told of each group.
        measure: for tests; the machine's clock when None.

    Raises:
        InputError: the cache cannot be written.
        PassError: a group cannot be compiled.
        ToolMissing: there is no C compiler.
    """
    count = threads or len(os.sched_getaffinity(0))
    timed = measure or _clock(count, seed)
    groups = _contracting(module, isa)
    several = sum(map(is_entry, functions(module).values())) > 1
    choices: dict[str, str] = {}
    measured = 0
    for number, (key, found) in enumerate(groups.items()):
        if progress is not None:
            progress("tune", number, len(groups))
        op, is_param = found[0]
        kept = _kept(key, isa, count)
        if kept is None:
            search = _Search(op, is_param, isa, timed, fixed_layouts=several)
            kept = str(search.best())
            measured += 1
            if measure is None:
                _keep(key, isa, count, kept)
        choices[key] = kept
    apply(module, isa, choices)
    return Tuned(choices, measured)


def tuned(
    module: ir.Module, isa: Isa, choices: Mapping[str, str] | None, progress: Progress | None = None
) -> Tuned:
    """Tune with the choices given, or by a search where there are none (`tune`)."""
    if choices is None:
        return tune(module, isa, progress=progress)
    known = {key: choices[key] for key in _contracting(module, isa) if key in choices}
    apply(module, isa, known)
    return Tuned(known, 0)


def apply(module: ir.Module, isa: Isa, choices: Mapping[str, str]) -> None:
    """Write choices on the groups of a module.

    Raises:
        PassError: a choice that is none.
    """
    for key, found in _contracting(module, isa).items():
        cuts = Blocking.parse(choices.get(key, ""))
        for op, _ in found:
            if str(cuts):
                op.attributes[BLOCKING] = ir.StringAttr.get(str(cuts), module.context)


def recorded(where: str | Path) -> dict[str, str]:
    """The choices a bundle was compiled with.

    Raises:
        InputError: it is no bundle that was tuned.
    """
    path = Path(where) / RECORD
    try:
        choices = json.loads(path.read_text(encoding="utf-8"))["choices"]
        return {str(key): str(value) for key, value in choices.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            "holds no record of a search", where=str(path), accepted="a bundle compiled with --tune"
        ) from error


def key_of(op: ir.Operation, is_param: tuple[bool, ...], isa: Isa) -> str:
    """What the choice for a group depends on, the machine apart."""
    told = (structure(op), is_param, isa.name, isa.l2_bytes)
    return hashlib.sha256(repr(told).encode()).hexdigest()[:16]


_Group = tuple[ir.Operation, tuple[bool, ...]]


def _contracting(module: ir.Module, isa: Isa) -> dict[str, list[_Group]]:
    """Groups made of one contraction and what follows it, those that share a kernel together."""
    found: dict[str, list[_Group]] = {}
    for op, is_param in written_groups(module):
        if string(op, "kernel").startswith("contract") and BLOCKING not in op.attributes:
            found.setdefault(key_of(op, is_param, isa), []).append((op, is_param))
    return found


@dataclass
class _Search:
    """The search for one group.

    Attributes:
        fixed_layouts: parameters stay laid out as the cache model has them: other entries read them too.
    """

    op: ir.Operation
    is_param: tuple[bool, ...]
    isa: Isa
    measure: Measure
    fixed_layouts: bool

    def best(self) -> Blocking:
        """The fastest cuts found."""
        best = Blocking()
        for knob, values in KNOBS.items():
            cuts = [best, *(replace(best, **{knob: value}) for value in values)]
            kernels = [self._kernel(each, number) for number, each in enumerate(cuts)]
            tried = [number for number, _ in enumerate(cuts) if self._worth(kernels, number)]
            if len(tried) < 2:
                continue
            seconds = self.measure(self.op, [kernels[number] for number in tried], self.isa)
            least = min(range(len(tried)), key=lambda place: seconds[place])
            if seconds[least] < seconds[0] * (1 - MARGIN):
                best = cuts[tried[least]]
        return best

    def _kernel(self, cuts: Blocking, number: int) -> Kernel:
        return emit_kernel(self.op, f"trial{number}", replace(self.isa, blocking=cuts), self.is_param)

    def _worth(self, kernels: Sequence[Kernel], number: int) -> bool:
        """Whether a candidate differs from those before it, and may differ as it does."""
        one = kernels[number]
        bodies = [each.mlir.replace(each.symbol, "trial") for each in kernels[: number + 1]]
        layouts = not self.fixed_layouts or one.packs == kernels[0].packs
        return layouts and bodies[-1] not in bodies[:-1]


def _clock(threads: int, seed: int) -> Measure:
    """Measure on this machine."""

    def measure(op: ir.Operation, kernels: Sequence[Kernel], isa: Isa) -> list[float]:
        with tempfile.TemporaryDirectory(prefix="penstock-") as folder:
            trial = Trial(op, kernels, isa, threads, seed, Path(folder))
            wanted = trial.outputs(0)
            equal = [all(map(_same, wanted, trial.outputs(number))) for number, _ in enumerate(kernels)]
            seconds = trial.seconds(ROUNDS)
        return [time if right else float("inf") for time, right in zip(seconds, equal, strict=True)]

    return measure


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    return one.tobytes() == other.tobytes()


def _place(key: str, isa: Isa, threads: int) -> Path:
    machine = hashlib.sha256(json.dumps([detect().model, isa.name, threads, list(KNOBS.items())]).encode())
    return user_cache() / "tuned" / f"{key}-{machine.hexdigest()[:8]}.json"


def _kept(key: str, isa: Isa, threads: int) -> str | None:
    """An earlier search's choice; None where there is none that can be read."""
    try:
        return str(Blocking.parse(json.loads(_place(key, isa, threads).read_text(encoding="utf-8"))["cuts"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _keep(key: str, isa: Isa, threads: int, cuts: str) -> None:
    path = _place(key, isa, threads)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
            json.dump({"cuts": cuts}, file)
        os.replace(file.name, path)
    except OSError as error:
        raise InputError(
            f"cannot keep what was measured here: {error.strerror}",
            where=str(path.parent),
            accepted="a writable folder in PENSTOCK_CACHE_DIR",
        ) from error
