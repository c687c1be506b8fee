"""A model whose look-ups an accelerator hides: its program for the CPU, the map as hardware, and both run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .ir.bundle import WEIGHTS, BundleFiles, BundleWriter
from .ir.errors import InputError
from .ir.targets import Target
from .progress import Progress
from .subject import Subject

if TYPE_CHECKING:
    from .backends.cpu.loader import Program
    from .backends.cpu.rows import Rows
    from .sim.rtl.bolt_map import MapDesign, RtlMap
    from .sim.rtl.bolt_result import LookupResult

FOLDER = "verilog/map"


def has_map(target: Target) -> bool:
    """Whether the target is an accelerator that keeps an oblivious map."""
    return bool(target.map)


def compile_oblivious(
    subject: Subject,
    target: Target,
    out: Path,
    private: Sequence[str],
    seed: int,
    progress: Progress | None,
) -> None:
    """Compile for the CPU, look-ups by private indices as hardware.

    Args:
        subject: the model.
        target: an accelerator with a map.
        out: the bundle's directory.
        private: index inputs that nobody may see.
        seed: of the simulation's keys.
        progress: told of each stage.

    Raises:
        InputError: nothing is private, or nothing is looked up by it.
        PenstockError: whatever a stage refuses; nothing is left half-written.
    """
    from .compiler import Also, compile_model, machine
    from .passes.pipeline import DEFAULT, FULL

    if not private:
        raise InputError(
            f"{target.name} hides look-ups, and no input is private",
            where="--target",
            accepted="--private NAME of an index input",
        )
    (unit,) = target.map
    options = f"page_bytes={unit.page_bytes},alpha={unit.hbm_bins_share}"
    first = f"oblivious{{private={'+'.join(private)},{options}}}"

    def also(writer: BundleWriter) -> dict[str, Any]:
        return _emit(writer, subject, target, tuple(private), seed, progress)

    pipeline = ",".join((first, *DEFAULT))
    cpu, part = machine("cpu"), Also(target.name, also)
    compile_model(subject, cpu, out, pipeline, None, FULL, (), progress, also=part)


def _emit(
    writer: BundleWriter,
    subject: Subject,
    target: Target,
    private: tuple[str, ...],
    seed: int,
    progress: Progress | None,
) -> dict[str, Any]:
    """The map as hardware; what the manifest says of it."""
    import json

    from .backends.cpu.build import PROGRAM
    from .backends.cpu.rows import config_of, records
    from .backends.verilog.bolt import Operands, emit
    from .ir.weights import map_weights
    from .sim.bolt import BoltMap, Keys
    from .sim.rtl.bolt_images import boot_images

    tables = json.loads(writer.path(PROGRAM).read_text(encoding="utf-8"))
    if "map" not in tables:
        raise InputError("nothing is looked up by it", where=f"--private {','.join(private)}")
    if progress is not None:
        progress("filling the map", 0, None)
    keys, config = Keys.from_seed(seed), config_of(tables)
    filled = BoltMap(config, keys=keys, initial=records(tables, map_weights(writer.path(WEIGHTS)).arrays))
    name = f"{subject.name}: look-ups by {', '.join(private)}"
    operands = Operands(name, tables, own_inputs(subject))
    emit(writer.path(FOLDER), operands, target.map[0], config, keys, boot_images(filled))
    return {"verilog": {"designs": {"map": FOLDER}}}


def own_inputs(subject: Subject) -> dict[str, np.ndarray]:
    """What a simulation runs: of MiniLM a sentence, padded to its first entry; of others example inputs."""
    from .blocks import sentences

    given = next(iter(subject.entries.values()))
    if subject.model is not None and subject.model.entry.name == "minilm-l6":
        from .frontend.zoo.minilm import tokenize

        batch, length = given["input_ids"].shape
        texts = sentences()
        return tokenize([texts[at % len(texts)] for at in range(batch)], length)
    return {name: tensor.numpy() for name, tensor in given.items()}


def simulate_oblivious(
    files: BundleFiles,
    folder: str,
    inputs: Mapping[str, np.ndarray] | None = None,
    memory_latency: int | None = None,
    progress: Progress | None = None,
) -> LookupResult:
    """Run a program whose rows come from the simulated accelerator, and hold it to everything else we have.

    The rows and the program's outputs are compared with plain look-ups, bit for bit; what the host saw, and
    what its pages hold at the end, with the software model under the same keys.

    Args:
        files: the bundle.
        folder: of the map in it.
        inputs: of the program, by name; those of the bundle when None.
        memory_latency: cycles the host's memory takes to answer; the target's when None.
        progress: told of each simulation.

    Raises:
        BundleError: the design is damaged.
        FaultError: the accelerator stopped.
        VerifyError: the simulation broke off.
        ToolMissing: no Verilator or compiler.
    """
    from .backends.cpu.loader import load
    from .backends.cpu.rows import PlainMap, Rows
    from .sim.rtl.bolt import Host
    from .sim.rtl.bolt_map import MapDesign, RtlMap

    design = MapDesign.load(files.path / folder)
    latency = memory_latency or design.description["host_latency_cycles"]
    given = inputs if inputs is not None else _stored(design)
    program = load(files.path)
    facts, arrays = program.tables, program.weights.arrays
    plain = PlainMap(facts, arrays)
    wanted = _run(program, Rows(facts, arrays, plain), given)
    host = Host(read_latency=latency, write_latency=latency)
    accelerator = RtlMap(design, host, progress, foreseen=plain.asked)
    outputs = _run(program, Rows(facts, arrays, accelerator), given)
    return _compared(design, accelerator, plain, outputs, wanted, latency, facts, arrays)


def _stored(design: MapDesign) -> dict[str, np.ndarray]:
    with np.load(design.file(design.description["operands"])) as held:
        return {name: held[name] for name in held.files}


def _run(program: Program, rows: Rows, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    with program.answered_by(rows):
        return program.run(inputs)


def _compared(
    design: MapDesign,
    accelerator: RtlMap,
    plain: Any,
    outputs: Mapping[str, np.ndarray],
    wanted: Mapping[str, np.ndarray],
    latency: int,
    facts: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
) -> LookupResult:
    from .backends.cpu.rows import records
    from .sim.bolt import NativeMap, Trace
    from .sim.rtl.bolt import READ, RESPONSE
    from .sim.rtl.bolt_result import LookupResult

    run, config = accelerator.run, design.config
    assert run is not None, "a program with look-ups looks up"
    keys = np.array(accelerator.asked, np.uint32)
    model = NativeMap(config, keys=design.keys, initial=records(facts, arrays))
    model.memory.trace = trace = Trace()
    model.get(keys)
    seen, said = trace.array(), run.host_trace
    as_model = all(
        np.array_equal(
            said[name][(said["kind"] == READ) == read], seen[other][(seen["direction"] == 0) == read]
        )
        for name, other in (("address", "address"), ("bytes", "length"))
        for read in (True, False)
    )
    end = config.base + config.image_bytes
    differing = int(np.count_nonzero(accelerator.values != plain.get(keys).values)) + sum(
        int(np.count_nonzero(_bytes(array) != _bytes(wanted[name]))) for name, array in outputs.items()
    )
    counted = accelerator.counters
    answers = run.trace["cycle"][run.trace["kind"] == RESPONSE]
    return LookupResult(
        layer=design.layer,
        driver="cpp",
        bit_exact=not differing,
        mismatches=differing,
        results=accelerator.values.size + sum(array.nbytes for array in outputs.values()),
        cycles_rtl=int(answers[-1] - answers[0]),
        cycles_model=_expected(design, seen, len(keys), latency),
        build_seconds=run.build_seconds,
        run_seconds=accelerator.seconds,
        trace=None,
        accesses=counted.accesses,
        page_reads=counted.host_reads,
        page_writes=counted.host_writes,
        host_bytes=(counted.host_reads + counted.host_writes) * config.page_bytes,
        trace_as_model=as_model,
        pages_as_model=run.image == bytes(model.memory.data[config.base : end]),
        outputs=len(outputs),
        clock_hz=design.description["clock_hz"],
        host_latency=latency,
    )


def _expected(design: MapDesign, seen: np.ndarray, accesses: int, latency: int) -> int:
    """Cycles from the first answer to the last, by the pages that the software model touched."""
    from .sim.bolt.pipeline import ANSWER, Pipeline

    touched: list[list[int]] = [[] for _ in range(accesses)]
    for event in seen[seen["direction"] == 0]:
        touched[event["index"]].append(int(event["address"]))
    pages = [(its[0] if its else None, its[1] if len(its) > 1 else None) for its in touched]
    hardware = design.hardware
    pipeline = Pipeline(hardware.in_flight, hardware.deadline, latency, latency, hardware.lane_pairs)
    told: list[int] = []
    for commit in pipeline.commits(design.config, pages):
        told.append(max(commit, told[-1] + ANSWER) if told else commit)
    return told[-1] - told[0]


def _bytes(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)
