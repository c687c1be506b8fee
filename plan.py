"""The planners in Python, on a model or a program of their own: binding, and placement in memories."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .progress import Progress

if TYPE_CHECKING:
    from .passes.bind.interleave import Interleave
    from .passes.bind.plan import Binding
    from .passes.place.players import Training
    from .passes.place.solved import MappedProgram
    from .passes.sections import SectionPlan
    from .passes.swap.planner import SwapResult
    from .passes.tiers.plan import TierPlan


def bind(
    source: str,
    target: str = "fusemax-cloud",
    *,
    shapes: Mapping[str, int] | None = None,
    rows: int | None = None,
    cols: int | None = None,
    seed: int = 0,
    time_limit_s: float = 20.0,
    progress: Progress | None = None,
) -> dict[str, Binding] | dict[str, Interleave]:
    """Units and cycles for the one-pass cascades of a text or a model, by name.

    Args:
        source: a .txt file of Einsums, or a model as for `compile`.
        target: an accelerator that says how results move between its units; or a GPU, whose tensor cores and
            CUDA cores are the two units.
        shapes: extents that replace those of the text, or sizes of a model's ranks.
        rows, cols: size of its array, where other than the target's; on a GPU keys of a tile and rows of a
            stream of tiles.
        seed, time_limit_s: the solver's.
        progress: told which period is tried.

    Raises:
        PenstockError: a subclass that says what is wrong.
    """
    from .ir.module import parse_module
    from .ir.targets import load as load_target
    from .ir.view_text import parse_cascade
    from .passes.bind.assign import arrays_of
    from .passes.bind.form import bindable, one_pass_form
    from .passes.bind.interleave import KEYS, ROWS, interleave
    from .passes.bind.plan import bind as bind_cascade
    from .queries import lower

    machine = load_target(target)
    on_gpu = machine.backend == "cuda"
    if on_gpu:
        height = rows or KEYS
    else:
        height = next(array.rows for array in arrays_of(machine, rows=rows, columns=cols) if array.rows)
    if source.endswith(".txt"):
        text = Path(source).read_text(encoding="utf-8")
        cascade = one_pass_form(parse_cascade(text, where=source, shape=shapes), height)
        found = {Path(source).stem: cascade}
    else:
        sizes = {rank: [size] for rank, size in (shapes or {}).items()}
        text = lower(source, f"relabel,simplify,fuse{{m_tile={height}}}", shapes=sizes or None, seed=seed)
        found = bindable(source, parse_module(text))
    effort: dict[str, Any] = {"seed": seed, "time_limit_s": time_limit_s, "progress": progress}
    if on_gpu:
        return {name: interleave(each, machine, rows=cols or ROWS, **effort) for name, each in found.items()}
    settings: dict[str, Any] = {"rows": rows, "cols": cols, **effort}
    return {name: bind_cascade(each, machine, **settings) for name, each in found.items()}


def memory_map(
    source: str,
    target: str = "tpu-v4i",
    *,
    profile: str | None = None,
    player: str = "hybrid",
    effort: str = "quick",
    evaluations: int = 0,
    shapes: Mapping[str, int] | None = None,
    seed: int = 0,
    training: Training | None = None,
    progress: Progress | None = None,
) -> MappedProgram:
    """Map a program's tensors to a fast memory.

    Args:
        source: a .json graph, ``graph:NAME`` of the benchmark, or a model as for `compile`.
        target: a machine with a fast tier beside its main one; it also prices a model's groups.
        profile: instead of the target's memories, ``T``, or ``R`` and a share of the program's peak.
        player: one of ``passes.place.players.PLAYERS`` or ``TRAINED``.
        effort: how far the hybrid goes: ``quick`` or ``full``.
        evaluations: plans a search may price; 0: as many as the player and the effort have.
        shapes: sizes of a model's ranks.
        seed: of everything random.
        training: where a player that learns does so.
        progress: told of the best latency.

    Raises:
        PenstockError: a subclass that says what is wrong.
    """
    from .ir.targets import load as load_target
    from .passes.place.graphs import graph
    from .passes.place.players import Budget, solve
    from .passes.place.problem import read
    from .passes.place.profiles import machine as of_profile
    from .passes.place.profiles import of_target
    from .passes.place.solved import MappedProgram
    from .reproduce.mallocgame_graphs import compiled

    if source.endswith(".json"):
        problem = read(source)
    elif source.startswith("graph:"):
        problem = graph(source.removeprefix("graph:"))
    else:
        sizes = {rank: [size] for rank, size in (shapes or {}).items()}
        problem = compiled(source, source, sizes or None, target)
    machine = of_profile(profile, problem) if profile else of_target(load_target(target))
    budget = Budget.of(player, effort, evaluations, seed, training)
    result = solve(problem, machine, player, budget, progress)
    return MappedProgram(problem, machine, result)


def tiers(
    source: str,
    target: str = "sn40l-socket",
    *,
    policy: str = "exact",
    near_bytes: int | None = None,
    shapes: Mapping[str, int] | None = None,
) -> tuple[dict[str, TierPlan], str]:
    """Place a model's tensors in the main tier of a target and the next farther one.

    Args:
        source: a model as for `compile`, or a module's text.
        target: a machine with a tier farther than its main one.
        policy: who chooses what is spilled, one of ``passes.tiers.policies.POLICIES``; all are compared.
        near_bytes: size of the main tier, where it is not the target's.
        shapes: sizes of a model's ranks.

    Returns:
        The plan of each entry by name, and the module with the placement in it.

    Raises:
        PenstockError: a subclass that says what is wrong.
    """
    from .ir.module import parse_module, print_module
    from .passes.tiers import PlaceInTiers
    from .passes.tiers.policies import POLICIES
    from .queries import lower

    one = PlaceInTiers(target, policy, near_bytes or 0, others=",".join(POLICIES))
    sizes = {rank: [size] for rank, size in (shapes or {}).items()}
    text = lower(source, "relabel,simplify,fuse", shapes=sizes or None)
    module = one.run(parse_module(text, where=source))
    return one.plans, print_module(module)


def swap(
    source: str,
    target: str = "a800-node",
    *,
    seq: int,
    gpus: int = 1,
    dtype: str = "bf16",
    policy: str = "general",
    efficiency: float | None = None,
    device_bytes: int | None = None,
    host_bytes: int | None = None,
    link_bytes_per_s: float | None = None,
    measure: bool = False,
    align: int = 128,
    time_limit_s: float = 20.0,
    seed: int = 0,
    progress: Progress | None = None,
) -> SwapResult:
    """Plan a training step: what of every layer is kept, swapped or recomputed, and where all lies.

    Args:
        source: ``zoo:NAME[,key=value…]``, a language model of the zoo.
        target: a GPU, or a server of several.
        seq: tokens of the sequence.
        gpus: ranks that share it.
        dtype: of activations, ``bf16`` or ``f32``.
        policy: ``general``, or ``memo`` for the paper's one fraction.
        efficiency: share of the arithmetic peak that is reached.
        device_bytes, host_bytes, link_bytes_per_s: of a GPU, of a server, and of a GPU's link while all copy,
            where not the target's.
        measure: time a layer on this machine instead of pricing it.
        align: tokens that splits are multiples of.
        time_limit_s, seed: the solver's.
        progress: told of what is done.

    Raises:
        PenstockError: a subclass that says what is wrong.
    """
    from .frontend import zoo
    from .frontend.step_profile import profile_zoo
    from .ir.errors import InputError
    from .ir.targets import load as load_target
    from .passes.swap.costs import Costs
    from .passes.swap.planner import plan_swap
    from .sim.cost.swap.machine import EFFICIENCY, Machine

    if not source.startswith(zoo.PREFIX):
        raise InputError("only models of the zoo are planned", where=source, accepted="zoo:NAME[,key=value…]")
    machine = Machine.of(
        load_target(target),
        gpus,
        dtype=dtype,
        efficiency=EFFICIENCY if efficiency is None else efficiency,
        device_bytes=device_bytes,
        host_bytes=host_bytes,
        link_bytes_per_s=link_bytes_per_s,
    )
    if progress:
        progress("trace the step", 0, None)
    profile = profile_zoo(source, seq, dtype)
    measured = None
    if measure:
        from .frontend.layer_times import measured_layer

        measured = measured_layer(source, seq, dtype, seed=seed)
    costs = Costs(profile, machine, align, measured)
    told = (lambda what: progress(what, 0, None)) if progress else (lambda _: None)
    return plan_swap(costs, policy=policy, seconds=time_limit_s, seed=seed, told=told)


def sections(
    source: str,
    target: str = "sn40l-socket",
    *,
    shapes: Mapping[str, int] | None = None,
    tile: int | None = None,
    streams: int | None = None,
    launch_s: float = 0.0,
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[list[SectionPlan], dict[str, str]]:
    """Cut a model's layers in sections that stream through PCUs and PMUs.

    Args:
        source: a model as for `compile`, or a module's text.
        target: a machine with PCUs and PMUs.
        shapes: sizes of a model's ranks.
        tile: tokens of a tile; None: whatever is fastest for each section.
        streams: that may cross a section's border; None: 64 a socket.
        launch_s: of a section; nothing is published.
        seed: of the orders of operators tried.
        progress: told of each.

    Returns:
        The plan of each function of Einsums, and the others with the operation that keeps them out.

    Raises:
        PenstockError: a subclass that says what is wrong.
    """
    from .ir.module import parse_module
    from .ir.targets import load as load_target
    from .passes.sections import plan_sections
    from .queries import lower
    from .sim.cost.streaming import Fabric

    machine = load_target(target)
    fabric = Fabric.of(machine, streams, launch_s)
    sizes = {rank: [size] for rank, size in (shapes or {}).items()}
    module = parse_module(lower(source, "relabel,simplify", shapes=sizes or None), where=source)
    return plan_sections(module, machine, fabric, tile=tile, seed=seed, progress=progress)
