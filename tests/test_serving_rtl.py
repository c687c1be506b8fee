"""A Composition of Experts on the RTL: results beside NumPy, counts and cycles beside the model, faults."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from penstock import cli
from penstock.backends.verilog.sn40l.experts import Experts, Layout, unpacked
from penstock.ir.errors import InputError
from penstock.serving_rtl import options_of, run, serve_rtl
from penstock.sim.cost.coe import Expert
from penstock.sim.cost.coe.cycles import fabric_node
from penstock.sim.rtl.sn40l_memory import DDR, Code

SPEC = "rtl:experts=24,width=32"
FLIP = 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spec", "options"),
    [
        (SPEC, {}),
        (SPEC, {"ahead": 2, "requests": "zipf:1.0"}),
        ("rtl:experts=13,width=48", {"state": True, "batch": 5, "latency": 40}),
        ("rtl:experts=40,width=16", {"ahead": 1, "state": True, "seed": 3}),
    ],
)
def test_results_counts_and_cycles_are_as_modelled(spec: str, options: dict) -> None:
    found = serve_rtl(spec, 10, batches=12, **options)
    assert found.ok, found.to_json()
    assert found.measured["evictions"]
    assert bool(found.measured["written_back_bytes"]) == options.get("state", False)


@pytest.mark.slow
def test_fetching_ahead_hides_copies_behind_runs() -> None:
    plain, ahead = (serve_rtl("rtl:experts=40,width=32", 10, batches=8, ahead=number) for number in (0, 1))
    assert plain.measured["misses"] == ahead.measured["misses"]
    assert ahead.measured["cycles"] < 0.9 * plain.measured["cycles"]


@pytest.mark.slow
def test_what_experts_wrote_is_in_ddr_or_near_at_the_end() -> None:
    """Every run writes its result into its expert; whoever was evicted has it in the far memory."""
    experts = Experts(20, 16, state=True)
    wanted = [at % 20 for at in range(80)]
    trace = run(Layout(experts, 4, 8), experts.prompts(wanted))
    for expert in range(16):  # those that the last four made room for
        last = max(at for at, each in enumerate(wanted) if each == expert)
        np.testing.assert_array_equal(trace.parts[expert], trace.results[last])


def flip(address: int, bits: tuple[int, int], *, once: bool) -> str:
    """A line for the host: bits of a codeword of DDR that are read wrong."""
    return f"fault {FLIP} 1 0 {int(once)} {DDR | address} {address // 8 % 4} {bits[0]} {bits[1]}"


@pytest.mark.slow
def test_a_bit_that_flips_is_corrected_and_counted() -> None:
    experts = Experts(24, 32)
    wanted = [5, 6, 7, 5, 6, 7, 8, 9]
    faults = [flip(5 * experts.stride + 8 * 17, (40, -1), once=True)]
    trace = run(Layout(experts, 10, 8), experts.prompts(wanted), faults=faults)
    assert trace.counters["channel 4 corrected"] == 1
    assert not trace.counters["channel 4 lost"]
    assert not any(prompt.error for prompt in trace.prompts)
    clean = run(Layout(experts, 10, 8), experts.prompts(wanted))
    np.testing.assert_array_equal(trace.results, clean.results)


@pytest.mark.slow
@pytest.mark.parametrize("once", [True, False])
def test_an_expert_with_a_lost_word_does_not_run_and_all_others_do(once: bool) -> None:
    experts = Experts(24, 32)
    wanted = [5, 6, 5, 7, 6, 5, 8, 5]
    prompts, layout = experts.prompts(wanted), Layout(experts, 10, 8)
    address = 5 * experts.stride + 8 * 100
    trace = run(layout, prompts, faults=[flip(address, (3, 60), once=once)])
    failed = [at for at, prompt in enumerate(trace.prompts) if prompt.error]
    assert failed == ([0] if once else [0, 2, 5, 7]), "copied again each time it is asked for"
    told = [copy for copy in trace.copies if copy.code]
    assert [copy.code for copy in told] == [Code.READ_SLV] * len(failed)
    assert {copy.address for copy in told} == {DDR | address - address % 32}
    assert trace.counters["copy_errors"] == trace.counters["channel 4 lost"] == len(failed)
    right = unpacked(run(layout, prompts).results, experts.width)
    ran = [at for at in range(len(wanted)) if at not in failed]
    np.testing.assert_array_equal(unpacked(trace.results, experts.width)[ran], right[ran])


@pytest.mark.parametrize("spec", ["rtl:experts", "rtl:experts=x", "rtl:width=32,heads=2", "rtl:experts=-3"])
def test_a_specification_that_is_none_is_refused(spec: str) -> None:
    with pytest.raises(InputError, match="rtl:experts=N,width=W"):
        options_of(spec)


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="multiple of 16"):
        Experts(10, 40)
    with pytest.raises(InputError, match="1 to 4094"):
        Experts(0, 32)
    with pytest.raises(InputError, match="bytes of experts"):
        Experts(4000, 512)
    with pytest.raises(InputError, match="1 to 64 slots"):
        Layout(Experts(10, 32), 65, 8)
    with pytest.raises(InputError, match="bytes a cycle"):
        fabric_node(Expert("tiny", 4096), 10, 4, Fraction(0))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"latency": 65536}, "0 to 65535"),
        ({"ddr": Fraction(1, 10**7)}, "multiples of 32/N"),
        ({"ddr": Fraction(25)}, "up to 24"),
        ({"batch": 9}, "1 to 8 prompts"),
    ],
)
def test_what_the_rtl_cannot_be_told_is_refused(options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        serve_rtl(SPEC, 10, **options)


@pytest.mark.parametrize("option", [["--state"], ["--ddr", "8"], ["--latency", "3"]])
def test_what_only_the_rtl_knows_is_refused_for_a_bundle(
    option: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["serve", "a-bundle", *option]) == cli.BAD_INPUT
    assert "--state, --ddr or --latency" in capsys.readouterr().err


def test_threads_are_refused_where_one_simulates(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["serve", SPEC, "--threads", "2"]) == cli.BAD_INPUT
    assert "simulated by one" in capsys.readouterr().err


def test_requests_that_only_a_runtime_can_draw_are_refused() -> None:
    with pytest.raises(InputError, match="uniform or zipf"):
        serve_rtl(SPEC, 10, requests="routed")


def test_programs_configure_the_same_units_for_router_and_experts() -> None:
    layout = Layout(Experts(150, 64), 40, 8)
    units = [{unit for unit, _, _ in layout.program(router=router)} for router in (True, False)]
    assert units[0] == units[1]
