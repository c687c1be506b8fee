"""Experts out of an oblivious map: a plain composition's answers, and a host that does not learn whose."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from penstock import api, cli
from penstock.backends.cpu.experts import Composition
from penstock.backends.cpu.private_experts import PrivateExperts
from penstock.backends.cpu.private_store import Store
from penstock.frontend.zoo import coe
from penstock.ir.errors import BundleError, FaultError, InputError
from penstock.private_serving import MapUse, serve_private
from penstock.sim.bolt import BoltConfig, Keys, Op, Trace
from penstock.sim.bolt.adversary.coupling import first_difference, random_pairs, tape_for
from penstock.sim.bolt.counters import Counters

SPEC, LENGTH = "zoo:coe,experts=5,seed=3", 12
PROMPTS = coe.prompts(6, LENGTH, seed=5).numpy()
ORDERS = ([0] * 6, [0, 1, 2, 3, 4, 0], [4, 4, 2, 2, 4, 1])

slow = pytest.mark.slow


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("coe") / "plain"
    api.compile(SPEC, out=out, shapes={"s": [LENGTH]})
    return out


@pytest.fixture(scope="module")
def hidden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tokens are private, and so is the choice that is made from them."""
    out = tmp_path_factory.mktemp("coe") / "hidden"
    api.compile(SPEC, out=out, shapes={"s": [LENGTH]}, private="input_ids")
    return out


@slow
def test_answers_are_a_plain_compositions_bit_for_bit_by_as_many_accesses_each(
    plain: Path, hidden: Path
) -> None:
    with Composition(plain, 2, threads=1) as composition:
        wanted = composition.run(PROMPTS)
    private = PrivateExperts(hidden, threads=1)
    each = private.accesses_of_a_prompt
    assert each == {"images": private.store.layout.chunks, "router": LENGTH, "experts": LENGTH}
    got = private.run(PROMPTS)
    assert [answer.expert for answer in got] == [answer.expert for answer in wanted]
    assert len({answer.expert for answer in got}) > 1
    for one, other in zip(got, wanted, strict=True):
        assert one.logits.tobytes() == other.logits.tobytes()
    for rounds, order in enumerate(ORDERS, 2):
        answers = private.run(PROMPTS, order)
        for one, other in zip(answers, private.in_the_open(PROMPTS, order), strict=True):
            assert one.logits.tobytes() == other.logits.tobytes()
        assert private.maps["images"].counters.accesses == 6 * rounds * each["images"]
        assert private.maps["experts"].counters.accesses == 6 * rounds * LENGTH
    assert private.maps["router"].counters.accesses == 6 * LENGTH, "named experts need no router"


@slow
def test_with_the_pairs_fixed_the_host_sees_one_trace_whoever_answers(hidden: Path) -> None:
    """T1 for images: kind, page, length and order of every host access, whatever the order of experts."""
    private = PrivateExperts(hidden, threads=1, keys=Keys.from_seed(1))
    count, layout, config = private.composition.count, private.store.layout, private.store.map.config
    images = np.stack([np.asarray(each.data) for each in private.composition.images])
    length = layout.chunks * (count + len(PROMPTS))
    pairs, seen = random_pairs(config, length), []
    for order in ORDERS:
        keys = layout.keys_of(np.array([*range(count), *order]))[0]
        ops = np.where(np.arange(length) < layout.keys, Op.PUT, Op.GET)
        tape = tape_for(config, ops, keys, pairs)
        private.store = Store((count,), layout.row_bytes, keys=Keys.from_seed(1), tape=tape.__getitem__)
        private.store.map.memory.trace = trace = Trace()
        private.store.put(np.arange(count)[:, None], images)
        private.run(PROMPTS, order)
        seen.append(trace.array())
    assert len(seen[0]) > length
    for other in seen[1:]:
        assert first_difference(seen[0], other) is None


@slow
def test_without_bins_in_hbm_every_prompt_has_one_shape_in_every_map(hidden: Path) -> None:
    seen = []
    for order, prompts in zip(ORDERS, (PROMPTS, PROMPTS[::-1], np.zeros_like(PROMPTS)), strict=True):
        private = PrivateExperts(hidden, threads=1, alpha=0.0, keys=Keys.from_seed(2))
        traces = {name: Trace() for name in ("images", "experts")}
        private.store.map.memory.trace = traces["images"]
        assert private.tables is not None
        private.tables.map.memory.trace = traces["experts"]
        private.run(prompts, order)
        seen.append({name: each.array()[["index", "length", "direction"]] for name, each in traces.items()})
    for name, first in seen[0].items():
        assert len(first) == 4 * 6 * private.accesses_of_a_prompt[name]
        for other in seen[1:]:
            np.testing.assert_array_equal(other[name], first)


@slow
def test_a_changed_page_stops_the_images_for_good(hidden: Path) -> None:
    private = PrivateExperts(hidden, threads=1)
    config, memory = private.store.map.config, private.store.map.memory.data
    for page in range(config.hbm_bins, config.bins):
        memory[config.page_address(page)] ^= 1
    for _ in range(2):
        with pytest.raises(FaultError):
            private.run(PROMPTS[:1], [2])


@slow
def test_what_does_not_fit_is_refused(plain: Path, hidden: Path) -> None:
    private = PrivateExperts(hidden, threads=1)
    with pytest.raises(InputError, match="out of range"):
        private.run(PROMPTS[:1], [5])
    with pytest.raises(InputError, match="one for each prompt"):
        private.run(PROMPTS, [1])
    with pytest.raises(InputError, match=r"shape \[6, 11\]"):
        private.run(PROMPTS[:, :11], [1] * 6)
    with pytest.raises(BundleError, match="not private"):
        PrivateExperts(plain)
    with Composition(hidden, 2) as composition, pytest.raises(InputError, match="who is in a slot shows"):
        composition.run(PROMPTS)


@slow
def test_the_command_serves_without_showing_who_answers(
    hidden: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["serve", str(hidden), "--batches", "2", "--requests", "zipf:1.0"]
    assert cli.main([*words, "--json"]) == cli.DONE
    found = json.loads(capsys.readouterr().out)
    assert found["ok"]
    assert found["private"] == ["expert", "input_ids"]
    assert (found["requests"], found["differing"]) == (16, 0)
    images = found["maps"]["images"]
    assert images["accesses"] == images["expected_accesses"] == 16 * 331
    assert cli.main([*words, "--slots", "3"]) == cli.BAD_INPUT
    assert "who is near would show" in capsys.readouterr().err
    assert serve_private(hidden, batch=3, batches=1, requests="routed").ok
    assert cli.main(words) == cli.DONE
    assert "bit for bit those of images read in the open" in capsys.readouterr().out


def test_a_map_that_was_asked_less_or_wrote_less_is_no_success() -> None:
    config = BoltConfig(64)
    assert MapUse(config, Counters(accesses=7, host_reads=9, host_writes=9), 7).ok
    assert not MapUse(config, Counters(accesses=6, host_reads=9, host_writes=9), 7).ok
    assert not MapUse(config, Counters(accesses=7, host_reads=9, host_writes=8), 7).ok


def test_what_may_be_private_of_a_composition_is_said() -> None:
    with pytest.raises(InputError, match=r"no input 'prompt'.*expert, input_ids"):
        api.compile("zoo:coe,experts=2", private="prompt")
    with pytest.raises(InputError, match=r"private inputs on h200.*--target cpu"):
        api.compile("zoo:coe,experts=2", private="expert", target="h200")
