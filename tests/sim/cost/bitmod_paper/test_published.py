"""The BitMoD paper's cost model against every number behind figures 7 and 8."""

from __future__ import annotations

import pytest

from penstock.reproduce.published import read
from penstock.sim.cost import bitmod_paper as paper

CYCLES = [
    (line["setting"], line["model"], design, int(line[design]))
    for line in read("bitmod", "cycles")
    for design in paper.DESIGNS
]
ENERGIES = [
    (line["setting"], line["model"], line["design"], float(line["onchip_uj"]), float(line["total_uj"]))
    for line in read("bitmod", "energy")
]


def test_there_are_sixty_of_each() -> None:
    points = {(setting, model, design) for setting, model, design, _ in CYCLES}
    assert len(CYCLES) == len(ENERGIES) == len(points) == 60
    assert points == {(setting, model, design) for setting, model, design, *_ in ENERGIES}


@pytest.mark.parametrize(
    ("design", "disc", "gen"),
    [
        # speedup_plot.ipynb, first column: OPT-1.3B
        ("fp16", 669255680, 82153718),
        ("ll", 336236544, 31220054),
        ("ant", 440975360, 25779238),
        ("olive", 403718144, 20018374),
        ("ly", 233070592, 15857750),
    ],
)
def test_opt_1_3b_to_the_cycle(design: str, disc: int, gen: int) -> None:
    assert paper.figure("disc", "opt-1.3b", design).cycles == disc
    assert paper.figure("gen", "opt-1.3b", design).cycles == gen


@pytest.mark.parametrize(("setting", "model", "design", "cycles"), CYCLES)
def test_cycles_are_equal(setting: str, model: str, design: str, cycles: int) -> None:
    assert paper.figure(setting, model, design).cycles == cycles


@pytest.mark.parametrize(("setting", "model", "design", "onchip", "total"), ENERGIES)
def test_energies_agree(setting: str, model: str, design: str, onchip: float, total: float) -> None:
    found = paper.figure(setting, model, design)
    assert 1e6 * found.dram_j == pytest.approx(total - onchip, abs=1.0)  # two numbers rounded to a microjoule
    interpolated = (setting, model, design) == ("gen", "yi-6b", "olive")  # the only port of 576 bits
    assert 1e6 * found.onchip_j == pytest.approx(onchip, rel=6e-3 if interpolated else 4e-5)


@pytest.mark.parametrize(
    ("setting", "speedups", "energies"),
    [
        # means over the six models, section V-C and the bars of figures 7 and 8, to the plots' precision
        ("disc", (1.99, 1.64, 1.81, 2.82), (0.457, 0.474, 0.441, 0.339)),
        ("gen", (2.41, 2.52, 3.01, 4.18), (0.410, 0.379, 0.324, 0.241)),
    ],
)
def test_means(setting: str, speedups: tuple[float, ...], energies: tuple[float, ...]) -> None:
    for design, speed, energy in zip(("ll", "ant", "olive", "ly"), speedups, energies, strict=True):
        found = [paper.speedup(setting, model, design) for model in paper.LLMS]
        assert sum(found) / 6 == pytest.approx(speed, abs=5e-3)
        ratios = [paper.energy_ratio(setting, model, design) for model in paper.LLMS]
        assert sum(ratios) / 6 == pytest.approx(energy, abs=6e-4)


@pytest.mark.parametrize(
    ("model", "parameters"),
    [  # billions in linear layers, output matrix included: public model cards less embeddings and norms
        ("opt-1.3b", 1.311),
        ("phi-2", 2.648),
        ("yi-6b", 5.798),
        ("llama-2-7b", 6.607),
        ("llama-2-13b", 12.851),
        ("llama-3-8b", 7.504),
    ],
)
def test_models_have_the_parameters_of_their_cards(model: str, parameters: float) -> None:
    sizes = paper.llm(model)
    weights = sizes.layers * sum(n * d for n, d in sizes.linears.values()) + sizes.vocabulary * sizes.hidden
    assert weights / 1e9 == pytest.approx(parameters, abs=1e-3)


def test_corrected_attention_does_the_true_work() -> None:
    for model in paper.LLMS.values():
        work = paper.matmuls(model, tokens=256, rules=paper.CORRECTED)
        attention = sum(each.macs for each in work if each.attention)
        assert attention == 2 * model.layers * model.hidden * 256 * 256
        one = paper.matmuls(model, tokens=1, rules=paper.CORRECTED)
        assert sum(each.macs for each in one if each.attention) == 2 * model.layers * model.hidden * 256


@pytest.mark.parametrize(
    ("setting", "ll", "ly"),
    [("disc", 2.078, 3.065), ("gen", 2.460, 4.355)],  # of the corrected model, to notice a change
)
def test_corrected_means(setting: str, ll: float, ly: float) -> None:
    for design, expected in (("ll", ll), ("ly", ly)):
        found = [paper.speedup(setting, model, design, paper.CORRECTED) for model in paper.LLMS]
        assert sum(found) / 6 == pytest.approx(expected, abs=1e-3)
