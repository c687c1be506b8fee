"""States: buffers a model updates when called, kept by the program and updated where they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import penstock
from penstock.backends.cpu.loader import Program
from penstock.frontend.torch_export import raise_model
from penstock.ir.errors import InputError, PlanError
from penstock.ir.interpreter import interpret
from penstock.ir.module import parse_module
from penstock.passes.pipeline import parse_pipeline, run_pipeline

CAPACITY = 12


class Attend(nn.Module):
    """One head over a cache of its own, written as users write it."""

    keys: torch.Tensor

    def __init__(self, assign: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.assign = assign
        self.key = nn.Linear(8, 8)
        self.register_buffer("keys", torch.zeros(CAPACITY, 8), persistent=False)

    def forward(self, x: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
        if self.assign:
            self.keys[at] = self.key(x)
        else:
            self.keys.index_copy_(0, at, self.key(x))
        seen = torch.arange(CAPACITY) <= at[:, None]
        return nn.functional.scaled_dot_product_attention(x, self.keys, self.keys, attn_mask=seen)


@pytest.fixture(scope="module", autouse=True)
def without_gradients() -> Iterator[None]:
    """References are run as models in use are."""
    with torch.no_grad():
        yield


@pytest.fixture(scope="module", params=[False, True], ids=["index_copy_", "assignment"])
def attend(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Attend, Program]:
    module = Attend(request.param)
    inputs = {"x": torch.randn(3, 8), "at": torch.arange(3)}
    bundle = penstock.compile(module, inputs, out=tmp_path_factory.mktemp("state") / "bundle")
    return module, bundle.program()


def test_runs_go_on_from_what_earlier_runs_left(attend: tuple[Attend, Program]) -> None:
    module, program = attend
    module.keys.zero_()
    state = program.new_state()
    memory = state.arrays["keys"].ctypes.data
    for places in ([0, 1, 2], [3, 4, 5], [5, 0, 11], [7, 7, 8]):
        x = torch.randn(3, 8)
        got = program.run({"x": x.numpy(), "at": np.array(places)}, state=state, threads=2)
        expected = module(x, torch.tensor(places))
        np.testing.assert_allclose(got["output"], expected.numpy(), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(state.arrays["keys"], module.keys.numpy(), rtol=1e-5, atol=1e-6)
    assert state.arrays["keys"].ctypes.data == memory
    (entry,) = program.entries.values()
    assert [spec.name for spec in entry.outputs] == ["output"]


def test_a_run_without_a_state_begins_with_zeros_and_leaves_nothing(attend: tuple[Attend, Program]) -> None:
    module, program = attend
    inputs = {"x": np.ones((3, 8), np.float32), "at": np.array([4, 5, 6])}
    first, second = (program.run(inputs)["output"] for _ in range(2))
    module.keys.zero_()
    expected = module(torch.ones(3, 8), torch.tensor([4, 5, 6])).numpy()
    np.testing.assert_allclose(first, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(first, second)


def test_no_step_copies_a_state(attend: tuple[Attend, Program]) -> None:
    text = attend[1].bundle.file("cpu/program.c").read_text()
    assert "pst_copy" not in text
    assert "void *const keys" in text


def test_generations_past_the_positions_are_not_run(tmp_path: Path) -> None:
    module, inputs = Attend(), {"x": torch.randn(3, 8), "at": torch.arange(3)}
    tiles = "relabel,simplify,fuse{m_tile=4},place"
    program = penstock.compile(module, inputs, pipeline=tiles, out=tmp_path / "bundle").program()
    for places in ([0, 1, 2], [3, 2, 1], [7, 0, 4], [11, 3, 5]):
        reached = max(places) // 4 * 4 + 4
        state = program.new_state()
        state.arrays["keys"][reached:] = np.nan  # would make every product with it NaN
        module.keys.zero_()
        got = program.run({"x": inputs["x"].numpy(), "at": np.array(places)}, state=state)
        expected = module(inputs["x"], torch.tensor(places))
        np.testing.assert_allclose(got["output"], expected.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("place", [-1, CAPACITY])
def test_coordinates_outside_the_state_are_refused(attend: tuple[Attend, Program], place: int) -> None:
    with pytest.raises(InputError, match=rf"at holds {place}, 0 to {CAPACITY - 1}"):
        attend[1].run({"x": np.zeros((3, 8), np.float32), "at": np.array([0, place, 1])})


def test_the_interpreter_gives_the_state_afterwards() -> None:
    module = Attend()
    raised = raise_model(module, {"x": torch.ones(3, 8), "at": torch.arange(3)})
    kept = np.random.default_rng(0).standard_normal((CAPACITY, 8))
    places = np.array([2, 9, 2])  # the last one stays
    given = {**raised.params, "keys": kept, "x": np.ones((3, 8)) * [[1], [2], [3]], "at": places}
    module.keys.copy_(torch.from_numpy(kept))
    with torch.no_grad():
        expected = module(torch.tensor(given["x"], dtype=torch.float32), torch.from_numpy(places))
    for pipeline in ("", "relabel,simplify,fuse,place"):
        found = interpret(run_pipeline(raised.module, parse_pipeline(pipeline))[0], "main", given)
        np.testing.assert_allclose(found["output"], expected.numpy(), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(found["keys"], module.keys.numpy(), rtol=1e-5, atol=1e-6)


READS_TOO_LATE = """
func.func private @put(%state: tensor<4xf32>, %index: tensor<1xi64>, %slices: tensor<1xf32>) -> tensor<4xf32>
    attributes {penstock.put = 0 : i64, penstock.upstream} {
  return %state : tensor<4xf32>
}
func.func @main(%keys: tensor<4xf32> {penstock.kind = "state", penstock.name = "keys"}, %at: tensor<1xi64>,
                %new: tensor<1xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %after = func.call @put(%keys, %at, %new) {penstock.updates = array<i64: 0>}
    : (tensor<4xf32>, tensor<1xi64>, tensor<1xf32>) -> tensor<4xf32>
  %twice = "cascade.einsum"(%WHICH) {expr = "T[i] = mul(K[i], 2.0)"} : (tensor<4xf32>) -> tensor<4xf32>
  return %twice, %after : tensor<4xf32>, tensor<4xf32>
}"""


@pytest.mark.parametrize(("which", "refused"), [("keys", True), ("after", False)])
def test_what_was_updated_is_not_read_as_it_was_before(which: str, refused: bool) -> None:
    text = READS_TOO_LATE.replace("WHICH", which)
    module = parse_module(text)
    passes = parse_pipeline("relabel,simplify,fuse,place")
    if not refused:
        run_pipeline(module, passes)
        return
    with pytest.raises(PlanError, match="as it was before its update in place"):
        run_pipeline(module, passes)


def _begun(module: Attend) -> None:
    module.keys += 1


class Changed(Attend):
    """A cache that is changed as a whole."""

    def forward(self, x: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
        self.keys.mul_(2)
        return x + self.keys[at]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (Changed, "updates 'keys' by aten.mul"),
        (lambda: _with(Attend(), _begun), "'keys' does not begin as zeros"),
    ],
)
def test_states_without_a_form_are_refused(make: Callable[[], nn.Module], message: str) -> None:
    with pytest.raises(InputError, match=message):
        raise_model(make(), {"x": torch.ones(3, 8), "at": torch.arange(3)})


def _with(module: Attend, change: Callable[[Attend], None]) -> Attend:
    change(module)
    return module


def test_a_bundle_keeps_its_states_in_the_manifest(attend: tuple[Attend, Program]) -> None:
    entry = attend[1].bundle.manifest["entries"]["main"]
    (state,) = entry["states"]
    assert (state["name"], state["shape"]) == ("keys", [CAPACITY, 8])
    assert [spec["below"] for spec in entry["inputs"]] == [None, CAPACITY]
