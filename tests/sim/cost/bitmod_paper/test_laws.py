"""Laws every cost model obeys, on the BitMoD paper's: nothing is free, more is never cheaper, sums add up."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.ir import targets
from penstock.ir.errors import InputError, TargetError
from penstock.sim.cost import bitmod_paper as paper
from penstock.sim.cost.bitmod_paper import CORRECTED, PUBLISHED, Cost, Matmul, Precision

TARGETS = [name for name in targets.names() if "-paper" in name]
SIZES = st.integers(1, 5000)
MATMULS = st.builds(
    Matmul,
    name=st.just("x"),
    tokens=st.integers(1, 600),
    channels=SIZES,
    inputs=SIZES,
    attention=st.booleans(),
    batch=st.integers(1, 4),
)
PRECISIONS = st.builds(
    Precision,
    weight_bits=st.sampled_from([3, 3.75, 4, 5.25, 6, 8, 16]),
    scale_bits=st.sampled_from([0, 8]),
    selector_bits=st.sampled_from([0, 2]),
    kv_bits=st.sampled_from([4, 8, 16]),
)
DESIGNS = st.sampled_from([paper.design(name) for name in TARGETS])
RULES = st.sampled_from([PUBLISHED, CORRECTED])


def test_all_designs_are_there() -> None:
    assert (
        sorted(
            f"{name}-paper{setting}"
            for name in ("fp16", "ant", "olive", "bitmod")
            for setting in ("", "-gen")
        )
        == TARGETS
    )


@pytest.mark.parametrize(
    ("name", "array", "lanes", "picojoules"),
    [  # the simulator's test_*.py: array [rows, columns], dot product size, 1.5 times the energy of a cycle
        ("fp16-paper", (32, 24), 1, 0.77),
        ("fp16-paper-gen", (64, 12), 1, 0.77),
        ("ant-paper", (32, 32), 1, 0.56),
        ("ant-paper-gen", (64, 16), 1, 0.56),
        ("olive-paper", (36, 32), 1, 0.613),
        ("olive-paper-gen", (72, 16), 1, 0.613),
        ("bitmod-paper", (32, 32), 4, 0.56),
        ("bitmod-paper-gen", (64, 16), 4, 0.56),
    ],
)
def test_designs_are_the_simulators(name: str, array: tuple[int, int], lanes: int, picojoules: float) -> None:
    found = paper.design(name)
    assert (found.rows, found.columns, found.lanes) == (*array, lanes)
    assert found.pe_pj == pytest.approx(1.5 * picojoules)
    assert (found.weight_buffer, found.activation_buffer) == (524288, 524288)
    assert found.dram_bytes_per_cycle == 32
    assert found.serial == name.startswith("bitmod")


@given(MATMULS, DESIGNS, PRECISIONS, RULES)
def test_the_longer_of_compute_and_dram_is_the_time(
    work: Matmul, on: paper.Design, precision: Precision, rules: paper.Rules
) -> None:
    found = paper.price(work, on, precision, rules)
    assert found.cycles == max(found.compute_cycles, found.dram_cycles)
    lanes = on.rows * on.columns * on.lanes
    assert found.compute_cycles * lanes >= work.macs  # no more than the array can multiply
    assert min(found.pe_j, found.sram_read_j, found.sram_write_j, found.dram_j) > 0
    assert found.energy_j == pytest.approx(found.onchip_j + found.dram_j)


@given(MATMULS, DESIGNS, PRECISIONS, RULES, st.floats(1, 16))
def test_more_bandwidth_is_never_slower(
    work: Matmul, on: paper.Design, precision: Precision, rules: paper.Rules, more: float
) -> None:
    faster = replace(on, dram_bytes_per_cycle=more * on.dram_bytes_per_cycle)
    before, after = (paper.price(work, each, precision, rules) for each in (on, faster))
    assert after.cycles <= before.cycles
    assert after.energy_j == before.energy_j


@given(MATMULS, DESIGNS, PRECISIONS, RULES, st.integers(2, 8))
def test_larger_buffers_move_no_more(
    work: Matmul, on: paper.Design, precision: Precision, rules: paper.Rules, more: int
) -> None:
    larger = replace(on, weight_buffer=more * on.weight_buffer, activation_buffer=more * on.activation_buffer)
    before, after = (paper.price(work, each, precision, rules) for each in (on, larger))
    assert after.dram_bytes <= before.dram_bytes


@given(MATMULS, DESIGNS, PRECISIONS, RULES, st.sampled_from(["tokens", "channels", "inputs", "batch"]))
def test_more_work_is_never_cheaper(
    work: Matmul, on: paper.Design, precision: Precision, rules: paper.Rules, axis: str
) -> None:
    more = replace(work, **{axis: getattr(work, axis) + 1})
    before, after = (paper.price(each, on, precision, rules) for each in (work, more))
    assert after.compute_cycles >= before.compute_cycles
    assert after.dram_bytes >= before.dram_bytes
    assert after.pe_j >= before.pe_j


@given(MATMULS, DESIGNS, st.lists(st.floats(1, 16), min_size=2, max_size=2), RULES)
def test_wider_weights_are_never_faster(
    work: Matmul, on: paper.Design, bits: list[float], rules: paper.Rules
) -> None:
    narrow, wide = (paper.price(work, on, Precision(each), rules) for each in sorted(bits))
    assert narrow.cycles <= wide.cycles
    assert narrow.dram_bytes <= wide.dram_bytes


@given(MATMULS, DESIGNS, PRECISIONS)
def test_special_values_cost_bits(work: Matmul, on: paper.Design, precision: Precision) -> None:
    free = replace(CORRECTED, selector_is_free=True)
    assert (
        paper.price(work, on, precision, free).dram_bytes
        <= paper.price(work, on, precision, CORRECTED).dram_bytes
    )


@pytest.mark.parametrize("axis", ["tokens", "channels", "inputs", "batch"])
def test_no_work_costs_nothing(axis: str) -> None:
    work = replace(Matmul("x", 4, 4, 4), **{axis: 0})
    assert paper.price(work, paper.design("bitmod-paper"), Precision(4)) == Cost()
    assert paper.price_all([], paper.design("bitmod-paper"), Precision(4)) == Cost()


@given(MATMULS, DESIGNS, PRECISIONS, RULES, st.integers(0, 5))
def test_runs_add_up(
    work: Matmul, on: paper.Design, precision: Precision, rules: paper.Rules, count: int
) -> None:
    once = paper.price(work, on, precision, rules)
    many = paper.price_all([replace(work, count=count)], on, precision, rules)
    assert many.cycles == count * once.cycles
    assert many.energy_j == pytest.approx(count * once.energy_j)


def test_bit_serial_steps() -> None:
    serial, parallel = paper.design("bitmod-paper"), paper.design("ant-paper")
    assert [serial.steps(bits) for bits in (3, 3.0625, 4, 4.0625, 5, 6.0625, 8)] == [2, 2, 2, 2, 3, 3, 4]
    assert {parallel.steps(bits) for bits in (3, 8, 16)} == {1}


def test_fp3_gains_bandwidth_and_no_compute_over_fp4() -> None:
    work, on = Matmul("x", 1, 4096, 4096), paper.design("bitmod-paper-gen")
    four, three = (paper.price(work, on, paper.precision_of(f"bitmod{n}", True)) for n in (4, 3))
    assert four.compute_cycles == three.compute_cycles
    assert three.dram_cycles < 0.8 * four.dram_cycles


def test_what_fits_is_fetched_once() -> None:
    on, precision = paper.design("fp16-paper"), Precision(16)
    small = paper.price(Matmul("x", 10000, 100, 100), on, precision)
    assert small.dram_bytes == 2 * (100 * 100 + 10000 * 100 + 10000 * 100)
    large = paper.price(Matmul("x", 512, 2048, 1024), on, precision)  # weights 4 MiB, activations 1 MiB
    assert large.dram_bytes == 2 * (2 * 2048 * 1024 + 512 * 1024 + 512 * 2048)  # weights twice: cheaper


def test_ports() -> None:
    assert paper.port(512) == paper.PORTS[512]
    between = paper.port(576)
    assert paper.PORTS[512].read_pj < between.read_pj < paper.PORTS[1024].read_pj
    reads = [paper.port(bits).read_pj for bits in range(64, 3000, 8)]
    assert reads == sorted(reads)
    assert reads[0] > 0
    with pytest.raises(InputError, match="a port of 0 bits"):
        paper.port(0)


@pytest.mark.parametrize(
    ("weights", "serial", "expected"),
    [
        ("bitmod4", True, Precision(4, 8, 2, 8)),
        ("int6", True, Precision(6, 8, 0, 8)),
        ("4.5", False, Precision(4.5)),
        ("mxfp4", False, Precision(4, 8, 0, 16, 32)),
    ],
)
def test_widths_by_name(weights: str, serial: bool, expected: Precision) -> None:
    assert paper.precision_of(weights, serial) == expected


def test_stored_bits_are_the_papers() -> None:
    assert paper.precision("gen", "opt-1.3b", "ly").stored_bits(PUBLISHED) == 3.0625
    assert paper.precision("disc", "opt-1.3b", "ll").stored_bits(PUBLISHED) == 6.0625
    assert paper.precision("disc", "opt-1.3b", "ly").stored_bits(CORRECTED) == 4.078125


def test_what_is_refused() -> None:
    with pytest.raises(InputError, match="no model 'gpt-4'"):
        paper.llm("gpt-4")
    with pytest.raises(InputError, match="no design 'tpu'"):
        paper.figure("disc", "phi-2", "tpu")
    with pytest.raises(InputError, match="no setting 'train'"):
        paper.speedup("train", "phi-2", "ly")
    with pytest.raises(InputError, match=r"weights of 0.5 bits"):
        Precision(0.5)
    with pytest.raises(InputError, match="weights of nan bits"):
        Precision(float("nan"))
    with pytest.raises(InputError, match="widths from 0 on"):
        Precision(4, kv_bits=0)
    with pytest.raises(InputError, match="no weights 'int7q'"):
        paper.precision_of("int7q", True)
    with pytest.raises(InputError, match="sizes"):
        Matmul("x", -1, 4, 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"datapath": ()}, "0 datapaths"),
        ({"buffer": ()}, "no buffer 'weight-sram'"),
    ],
)
def test_targets_of_other_kinds_are_refused(change: dict[str, tuple[()]], message: str) -> None:
    with pytest.raises(TargetError, match=message):
        paper.design_of(replace(targets.load("bitmod-paper"), **change))


def test_arrays_have_rows_and_columns() -> None:
    target = targets.load("bitmod-paper")
    cube = replace(target, unit=(replace(target.unit[0], shape=(4, 4, 4)),))
    with pytest.raises(TargetError, match=r"rows, columns"):
        paper.design_of(cube)
    unknown = replace(target, tier=tuple(replace(t, energy_read_pj_per_byte=None) for t in target.tier))
    with pytest.raises(TargetError, match="unpublished"):
        paper.design_of(unknown)


def test_quirks_say_which_are_corrected() -> None:
    names = [quirk.name for quirk in paper.QUIRKS]
    assert len(names) == len(set(names))
    corrected = {quirk.name for quirk in paper.QUIRKS if quirk.corrected}
    assert corrected == {
        "attention_as_linear",
        "attention_at_weight_width",
        "selector_is_free",
        "half_ports",
    }
