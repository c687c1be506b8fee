"""What every test shares: order, random numbers, the place for builds, the checkout, hand-made schedules."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from penstock.blocks import Block, Recorded, recognise
from penstock.ir.schedule import Edge, Placed, Schedule, Task

GAME = "passes/place/"

# No property is judged by the clock, and a commit's examples are the same in every run: what fails once fails
# again. `--hypothesis-profile other` looks for new ones.
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same", UNHURRIED, derandomize=True)
settings.register_profile("other", UNHURRIED)
settings.load_profile("same")


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--update-golden`` writes what is printed now where a test would compare it with what was."""
    parser.addoption("--update-golden", action="store_true", help="write golden files instead of comparing")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Quick tests before slow ones, otherwise in the order collected: the cheap answer comes first.

    With ``-n``, what one worker takes for minutes comes before the rest, which the others take meanwhile.
    """
    shared = "PYTEST_XDIST_WORKER" in os.environ

    def place(item: pytest.Item) -> tuple[bool, bool]:
        return item.get_closest_marker("slow") is not None, shared and _together(item.nodeid) != GAME

    items.sort(key=place)


def pytest_configure() -> None:
    """Workers of ``-n`` share the cores: PyTorch, not imported yet, is not to take them all in each."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if workers > 1:
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, len(os.sched_getaffinity(0)) // workers)))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """What a test draws without a seed, or a fixture made for it, does not depend on the tests before."""
    random.seed(0)
    np.random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


def _together(test: str) -> str:
    """What one worker takes at once: a file; of the mapping game all, whose agent numba compiles."""
    file = test.partition("::")[0]
    return GAME if file.startswith(GAME) else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With ``-n``, a worker takes a file's quick tests, or its slow ones: modules share their fixtures."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def schedule(self) -> None:
            if self.collection is None:
                in_order = next(iter(self.registered_collections.values()))
                runs = groupby(in_order, key=_together)
                self.runs = {test: number for number, (_, tests) in enumerate(runs) for test in tests}
            super().schedule()

        def _split_scope(self, nodeid: str) -> str:
            return str(self.runs[nodeid])

    config.option.loadscopereorder = False  # the quick tests stay first
    return ByFile(config, log)


@pytest.fixture(scope="session", autouse=True)
def kept_builds(request: pytest.FixtureRequest) -> Iterator[None]:
    """Verilated models and compiled C go to pytest's cache, not to the user's: one place for all tests."""
    cache = request.config.cache
    assert cache is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PENSTOCK_CACHE_DIR", str(cache.mkdir("penstock")))
        yield


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The repository the tests were taken from; the installed package may be a wheel elsewhere."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def attention_schedule() -> Callable[..., Schedule]:
    """``make(rows, e, f, p1, period=…)``: a schedule of an attention tile that no solver made.

    Tasks begin as soon as they can and their unit has room, or up to `slack` cycles later; the period is the
    first from the one given on that works out.
    """

    def make(rows: int, e: int, f: int, p1: int, *, period: int, slack: int = 0, seed: int = 0) -> Schedule:
        while (found := _attention(rows, e, f, p1, period, slack, Random(seed))) is None:
            period += 1
        found.check()
        return found

    return make


def _attention(
    rows: int, e: int, f: int, p1: int, period: int, slack: int, random: Random
) -> Schedule | None:
    array = {"BQK": e, "LM": 1, "SLN": 7, "SLD": 1, "SLNV": f}
    row = {"RM": 1, "PRM": 7, "SPD": 1, "RD": 1, "SPNV": f, "RNV": f}
    stride = dict.fromkeys(("SLNV", "SPNV", "RNV"), 2) | {"BQK": 2 if 2 * e <= period else 1}
    taken: set[tuple[str, int]] = set()
    placed: dict[str, Placed] = {}

    def end(*names: str) -> int:
        return max(placed[name].last + 1 for name in names)

    def bottom(name: str) -> int:
        return placed[name].first + rows

    for name, ready in (
        ("BQK", lambda: 0),
        ("LM", lambda: end("BQK")),
        ("RM", lambda: bottom("LM")),
        ("SLN", lambda: end("RM")),
        ("PRM", lambda: end("RM")),
        ("SLD", lambda: end("SLN")),
        ("SLNV", lambda: end("SLN")),
        ("SPD", lambda: end("PRM")),
        ("SPNV", lambda: max(end("PRM"), bottom("SLNV") - 1)),
        ("RNV", lambda: max(placed["SPNV"].first + 1, bottom("SLNV"))),
        ("RD", lambda: max(end("SPD"), bottom("SLD"))),
    ):
        unit, steps = ("array-2d", array[name]) if name in array else ("array-1d", row[name])
        begin = ready() + random.randint(0, slack)
        for first in range(begin, begin + period):
            found = Placed(Task(name, unit, steps), first, stride.get(name, 1))
            cells = {(unit, found.at(step) % period) for step in range(steps)}
            if len(cells) == steps and cells.isdisjoint(taken):
                taken.update(cells)
                placed[name] = found
                break
        else:
            return None
    edges = (
        *(Edge("BQK", "LM"), Edge("LM", "RM", rows), Edge("RM", "SLN"), Edge("RM", "PRM")),
        *(Edge("SLN", "SLD"), Edge("SLN", "SLNV"), Edge("PRM", "SPD"), Edge("PRM", "SPNV")),
        *(Edge("SPD", "RD"), Edge("SLD", "RD", rows), Edge("RD", "SPD", distance=p1)),
        *(Edge("SPNV", "RNV", streamed=True), Edge("SLNV", "RNV", rows, streamed=True)),
    )
    return Schedule(period, tuple(placed.values()), edges, ("array-2d", "array-1d"), False, 1)


@pytest.fixture(scope="session")
def bert_block() -> Callable[..., Block]:
    """Makes a recognised BERT layer with random weights, inputs and padding: sizes in, a block out."""
    import torch

    from penstock.frontend.zoo.bert import BertConfig, BertLayer

    def make(
        tokens: int = 8, width: int = 32, heads: int = 2, inner: int = 96, tiles: int = 2, seed: int = 0
    ) -> Block:
        torch.manual_seed(seed)
        layer = BertLayer(BertConfig(layers=1, width=width, heads=heads, inner=inner, head="hidden")).eval()
        mask = torch.ones(tiles, 1, 1, tokens, dtype=torch.bool)
        for tile in range(tiles):
            mask[tile, ..., tokens - tile % tokens :] = False
        return recognise(Recorded("block", layer, {"x": torch.randn(tiles, tokens, width), "mask": mask}))

    return make
