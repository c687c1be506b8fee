"""Stages on the units of a fabric: executed word by word they give the block's values, and they fit."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from penstock.backends.verilog.sn40l.packing import regions
from penstock.blocks import Block, linear_weights, quantized
from penstock.ir.errors import InputError, PlanError, TargetError
from penstock.ir.fabric import Buffer, Gemm, Load, Quantized, Reader, Rows, Section, Walk
from penstock.ir.targets import load
from penstock.ir.targets.fabric import Machine
from penstock.passes.stages import addresses, map_stages, place_regions
from penstock.passes.stages.programs import add_norm, add_norm_parameters, settled, softmax
from penstock.sim.cost.fabric import FabricCosts, section_cycles
from penstock.sim.rtl.sn40l_pcu.oracle import check
from penstock.sim.rtl.sn40l_section.functional import buffered, execute
from penstock.sim.rtl.sn40l_section.pcus import configuration

SMALL = load("sn40l-small")
MACHINE = Machine.of(SMALL)
Make = Callable[..., Block]


def section_of(block: Block, machine: Machine = MACHINE) -> Section:
    return map_stages("block", block.stages, machine, block.stages.tiles, block.scheme)


@pytest.mark.parametrize(
    ("sizes", "parts"),
    [
        ({"tokens": 8, "width": 32, "heads": 2, "inner": 96}, 3),
        ({"tokens": 16, "width": 24, "heads": 3, "inner": 32, "tiles": 3}, 2),
        ({"tokens": 32, "width": 64, "heads": 4, "inner": 40, "tiles": 1}, 1),
        ({"tokens": 24, "width": 48, "heads": 6, "inner": 72}, 3),
    ],
    ids=str,
)
def test_a_section_gives_the_interpreters_values(bert_block: Make, sizes: dict[str, int], parts: int) -> None:
    block = bert_block(**sizes)
    section = section_of(block)
    gemms = [unit for unit in section.units if isinstance(unit, Gemm)]
    assert len(gemms) == 6 + 2 * parts, "the feed-forward is cut into as many parts as can be"
    memory = regions(section, block.raised.params, block.recorded.arrays)
    result = execute(section, memory)["y"].reshape(block.reference.shape)
    error = np.linalg.norm(result - block.reference) / np.linalg.norm(block.reference)
    assert error < 1e-6


@pytest.mark.parametrize(
    ("sizes", "scheme", "parts"),
    [
        ({"tokens": 8, "width": 48, "heads": 3, "inner": 80}, "bitmod4", 1),
        ({"tokens": 8, "width": 32, "heads": 2, "inner": 384, "tiles": 1}, "bitmod3", 3),
        ({"tokens": 16, "width": 24, "heads": 3, "inner": 256, "tiles": 2}, "int8", 2),
    ],
    ids=str,
)
def test_a_quantized_section_gives_the_interpreters_values_with_what_the_codes_stand_for(
    bert_block: Make, sizes: dict[str, int], scheme: str, parts: int
) -> None:
    """What is left: activations in half precision (2^-12 each), the array's rounding (2e-4 of a sum)."""
    block = quantized(bert_block(**sizes), scheme)
    section = section_of(block)
    assert Section.from_json(json.loads(json.dumps(section.to_json()))) == section
    assert len(list(section.of_kind(Quantized))) == 4 + 2 * parts, "parts of whole groups alone"
    assert len(list(section.of_kind(Gemm))) == 2, "what has no weights stays FP32"
    memory = regions(section, block.raised.params, block.recorded.arrays, block.quantized)
    result = execute(section, memory)["y"].reshape(block.reference.shape)
    scale = np.linalg.norm(block.reference)
    assert np.linalg.norm(result - block.reference) / scale < 4e-4
    section_cycles(section, FabricCosts(72.0, 8.0))  # which refuses units that wait for each other
    assert np.linalg.norm(result - replace(block, quantized={}).reference) / scale > 1e-3, "it is quantized"


def test_quantized_layers_that_do_not_fit_are_refused(bert_block: Make) -> None:
    block = quantized(bert_block(), "bitmod4")
    with pytest.raises(TargetError, match="6 PCUs with BitMoD arrays, there are 0"):
        section_of(block, replace(MACHINE, bitmod_pcus=0))
    with pytest.raises(TargetError, match="2 PCUs without BitMoD arrays, there are 1"):
        section_of(block, replace(MACHINE, bitmod_pcus=15))
    with pytest.raises(TargetError, match=r"1544 inputs of .*, a BitMoD array holds 1536"):
        section_of(quantized(bert_block(inner=1544), "bitmod4"))
    with pytest.raises(InputError, match="no linear layer to quantize"):
        linear_weights(replace(block.stages, stages=()), {}, "bitmod4")
    with pytest.raises(InputError, match="no format 'mxfp4'"):
        quantized(block, "mxfp4")


def test_hidden_keys_have_no_weight(bert_block: Make) -> None:
    block = bert_block(tokens=16, tiles=2)
    section = section_of(block)
    given = block.recorded.arrays
    again = {**given, "x": given["x"].copy()}
    again["x"][1, 15] = 1e4  # the second tile's last token is padding
    first, second = (
        execute(section, regions(section, block.raised.params, each))["y"].reshape(2, 16, -1)
        for each in (given, again)
    )
    assert np.array_equal(first[0], second[0])
    assert np.array_equal(first[1, :15], second[1, :15])


def test_a_section_is_whole_after_json(bert_block: Make) -> None:
    section = section_of(bert_block())
    assert Section.from_json(json.loads(json.dumps(section.to_json()))) == section


def test_units_fit_the_machine_and_regions_do_not_overlap(bert_block: Make) -> None:
    block = bert_block()
    section = section_of(block)
    kinds = [type(unit) for unit in section.units]
    assert kinds.count(Gemm) + kinds.count(Rows) <= MACHINE.pcus
    assert kinds.count(Buffer) <= MACHINE.pmus
    places = addresses(place_regions(section, SMALL))
    spans = sorted((at, at + section.regions[name].vectors * 32) for name, at in places.items())
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(spans))
    assert all(at % 512 == 0 for at in places.values())


def test_what_does_not_fit_is_refused(bert_block: Make) -> None:
    with pytest.raises(PlanError, match="tiles of 12 tokens"):
        section_of(bert_block(tokens=12))
    with pytest.raises(PlanError, match="tiles of 40 tokens"):
        section_of(bert_block(tokens=40))
    with pytest.raises(PlanError, match="heads of 4"):
        section_of(bert_block(width=32, heads=8))
    with pytest.raises(TargetError, match="11 PCUs, there are 4"):
        section_of(bert_block(), replace(MACHINE, pcus=4))
    with pytest.raises(TargetError, match="words for"):
        section_of(bert_block(), replace(MACHINE, pmu_words=256))
    with pytest.raises(TargetError, match="no fabric"):
        Machine.of(load("fusemax-small"))


@pytest.mark.parametrize("width", [8, 16, 32, 96, 256, 384])
def test_instructions_wait_exactly_where_the_pipeline_needs_it(width: int) -> None:
    programs = [((), softmax(width, masked=True))]
    programs += [(add_norm_parameters(width, n), add_norm(width, n)) for n in (2, 3, 4)]
    for once, body in programs:
        once, body = settled(once, body)
        unit = Rows("unit", "", ("a",) * 5, "out", once, body, 4, (1.0 / width, 1e-12))
        check(configuration(unit, 2))
        for number, each in enumerate((*once, *body)):
            if each.waits:
                program = [*once, *body]
                program[number] = replace(each, waits=False)
                early = replace(unit, once=tuple(program[: len(once)]), body=tuple(program[len(once) :]))
                with pytest.raises(PlanError):
                    check(configuration(early, 2))


def test_rows_that_the_buffer_does_not_hold_are_refused() -> None:
    with pytest.raises(PlanError, match="rows of 1024"):
        add_norm(1024, 2)
    with pytest.raises(PlanError, match="rows of 12"):
        softmax(12, masked=False)


def buffer(into: Walk, *walks: Walk) -> Buffer:
    readers = tuple(Reader(f"out{number}", walk) for number, walk in enumerate(walks))
    return Buffer("buffer", "tensor", 64, 2, 8, "in", into, readers)


def test_a_buffer_turns_rows_into_columns() -> None:
    rows, columns = Walk(((8, 8),)), Walk(((8, 1),), lane=8)
    words = np.arange(128, dtype=np.float32).reshape(2, 8, 8)
    read = buffered(buffer(rows, columns), words)["out0"].reshape(2, 8, 8)
    assert np.array_equal(read, words.transpose(0, 2, 1))


def test_a_buffer_refuses_what_its_walks_get_wrong() -> None:
    words = np.zeros((1, 8, 8), np.float32)
    rows = Walk(((8, 8),))
    with pytest.raises(PlanError, match="leave"):
        buffered(buffer(rows, Walk(((9, 8),))), words)
    with pytest.raises(PlanError, match="for 8 words in 8 vectors"):
        buffered(buffer(Walk(((8, 0),)), rows), words)
    with pytest.raises(PlanError, match="not written"):
        buffered(buffer(Walk(((7, 8),)), rows), words[:, :7])
    with pytest.raises(PlanError, match="8 vectors"):
        buffered(buffer(Walk(((7, 8),)), Walk(((7, 8),))), words)


def test_a_walk_of_more_loops_than_a_generator_has_is_refused() -> None:
    with pytest.raises(PlanError, match="5 loops"):
        Walk(((2, 8),) * 5)


def test_a_section_refuses_flows_that_lead_nowhere_or_are_fed_twice() -> None:
    load_x = Load("load", "x", "x", 8, 8)
    with pytest.raises(PlanError, match="0 destinations"):
        Section("part", 1, (load_x,), {}, {})
    with pytest.raises(PlanError, match="nobody before it feeds"):
        Section("part", 1, (buffer(Walk(((8, 8),))),), {}, {})
    with pytest.raises(PlanError, match="another feeds"):
        Section("part", 1, (load_x, replace(load_x, name="other")), {}, {})
