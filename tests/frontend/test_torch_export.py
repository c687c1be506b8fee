"""Whole models raised: the zoo's numbers, signatures, parameters, several lengths, constants worked out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from penstock.frontend import zoo
from penstock.frontend.torch_export import Naming, raise_entries, raise_model
from penstock.ir.cascade import walk
from penstock.ir.errors import InputError
from penstock.ir.interpreter import interpret
from penstock.ir.module import parse_module, print_module

from .raised import answers, assert_same, notation, operations, tensors, upstream_functions

ZOO = (
    "zoo:mlp",
    "zoo:minilm-l6,layers=2",
    "zoo:minilm-l6,layers=2,attention=explicit,pool=true",
    "zoo:bert-base,layers=1",
    "zoo:gpt2-small,layers=1",
    "zoo:gpt2-small,layers=1,attention=explicit",
    "zoo:llama-tiny",
    "zoo:llama-tiny,attention=explicit",
    "zoo:vit-small,layers=2",
    "zoo:resnet50",
)


@pytest.mark.parametrize("spec", ZOO)
def test_zoo_models_are_what_pytorch_computes(spec: str) -> None:
    """In float64, at a length that divides nothing, to 1e-12 of the largest value."""
    model = zoo.build(spec)
    given = model.example_inputs(9 if model.entry.max_length else None)
    module = model.module.double()
    given = {name: value.double() if value.is_floating_point() else value for name, value in given.items()}
    made = raise_model(module, given)
    with torch.no_grad():
        wanted = module(**given)
    text = print_module(made.module)
    assert print_module(parse_module(text)) == text
    arrays = {name: value.numpy() for name, value in given.items()}
    got = interpret(made.module, "main", {**made.params, **arrays})
    for one, other in zip(
        got.values(), [wanted] if isinstance(wanted, torch.Tensor) else wanted, strict=True
    ):
        assert np.abs(one - other.numpy()).max() <= 1e-12 * np.abs(other.numpy()).max()


@pytest.mark.parametrize("spec", ["zoo:bert-base", "zoo:llama-7b-layer", "zoo:vit-small"])
def test_shapes_are_enough_to_raise(spec: str) -> None:
    model = zoo.build(spec, device="meta")
    made = raise_model(model.module, model.example_inputs())
    assert sum(array.size for array in made.params.values()) > 1e7
    assert all(array.strides == (0,) * array.ndim for array in made.params.values())


def test_several_lengths_share_their_parameters() -> None:
    model = zoo.build("zoo:minilm-l6,layers=2")
    lengths = (4, 8)
    naming = Naming(
        outputs=("hidden",),
        ranks={"input_ids": (None, "s"), "attention_mask": (None, "s"), "hidden": (None, "s", None)},
        pads={"input_ids": 0, "attention_mask": 0},
    )
    examples = {f"main_{n}": model.example_inputs(n) for n in lengths}
    made = raise_entries(model.module, examples, naming=naming)
    one = raise_model(model.module, model.example_inputs(4))
    assert [entry.extents for entry in made.entries] == [{"s": 4}, {"s": 8}]
    assert len(made.params) == len(one.params) + 1  # the slices of the position table
    assert {"encoder_layer_4", "encoder_layer_8"} <= {
        str(op.attributes["sym_name"]).strip('"') for op in made.module.body.operations
    }
    text = print_module(made.module)
    assert 'penstock.ranks = ["", "s"]' in text
    for length in lengths:
        arrays = {name: value.numpy() for name, value in examples[f"main_{length}"].items()}
        got = interpret(made.module, f"main_{length}", {**made.params, **arrays})
        with torch.no_grad():
            wanted = model.module(**examples[f"main_{length}"]).numpy()
        np.testing.assert_allclose(got["hidden"], wanted, atol=1e-5)


class Structured(nn.Module):
    """Takes a flag and a missing input, gives a nested structure."""

    def forward(
        self, x: torch.Tensor, double: bool = True, extra: torch.Tensor | None = None
    ) -> dict[str, object]:
        y = 2 * x if double else x
        return {"last": y, "all": [x, y + 1], "count": 3}


def test_outputs_are_named_after_the_structure_returned() -> None:
    made = raise_model(Structured(), {"x": torch.ones(2), "double": False})
    assert [spec.name for spec in made.entry.outputs] == ["last", "all_0", "all_1"]
    assert [spec.name for spec in made.entry.inputs] == ["x"]
    assert [spec.name for spec in raise_model(nn.ReLU(), (torch.ones(2),)).entry.outputs] == ["output"]


def test_parameters_are_not_copied() -> None:
    linear = nn.Linear(3, 3)
    made = raise_model(linear, (torch.ones(2, 3),))
    assert made.params["weight"].ctypes.data == linear.weight.data_ptr()


def test_another_floating_point_type_leaves_the_model_alone() -> None:
    linear = nn.Linear(3, 3)
    made = raise_model(linear, (torch.ones(2, 3),), dtype=torch.float64)
    assert made.params["weight"].dtype == np.float64
    assert made.entry.inputs[0].dtype == "float64"
    assert linear.weight.dtype == torch.float32


def test_training_mode_is_set_aside_and_put_back() -> None:
    module = nn.Sequential(nn.Linear(4, 4), nn.Dropout(), nn.BatchNorm1d(4)).train()
    module.double()
    made = raise_model(module, (torch.ones(2, 4, dtype=torch.float64),))
    assert module.training
    with torch.no_grad():
        wanted = module.eval()(torch.ones(2, 4, dtype=torch.float64)).numpy()
    np.testing.assert_allclose(answers(made, [torch.ones(2, 4, dtype=torch.float64)])[0], wanted, rtol=1e-12)


class Tables(nn.Module):
    """Reads a position table at fixed places and a rotary table of its own frequencies."""

    def __init__(self) -> None:
        super().__init__()
        self.positions = nn.Embedding(16, 4)
        self.frequencies = nn.Buffer(torch.tensor([1.0, 0.1]), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        places = torch.arange(x.shape[0])
        angles = places[:, None] * self.frequencies
        return x + self.positions(places) + torch.cat([angles.cos(), angles.sin()], -1)


def test_what_depends_on_parameters_alone_is_a_parameter() -> None:
    made = assert_same(Tables().double(), *tensors("5,4"))
    assert upstream_functions(made) == []
    assert len(notation(made)) == 2
    assert sorted(made.params) == ["frequencies:cat[5x4]", "positions.weight:embedding[5x4]"]


def test_batch_norm_is_one_scale_and_one_shift() -> None:
    norm = nn.BatchNorm2d(4)
    norm.running_mean = torch.linspace(-1, 1, 4)
    made = assert_same(nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), norm).double(), *tensors("1,3,5,5"))
    assert len(notation(made)) == 3
    found = (op.attributes for op in walk(made.module.operation))
    nodes = [str(attributes["penstock.node"]) for attributes in found if "penstock.node" in attributes]
    assert nodes == ['"conv2d"', '"batch_norm"']


def test_batch_norm_before_an_update_in_place() -> None:
    """Undoing the update rewrites batch norm into an op with further, empty, results."""
    norm = nn.BatchNorm2d(4)
    norm.running_mean = torch.linspace(-1, 1, 4)
    module = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), norm, nn.ReLU(inplace=True)).double()
    assert len(notation(assert_same(module, *tensors("1,3,5,5")))) == 4


def test_transformer_encoder_of_pytorch() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dtype=torch.float64)
    assert_same(nn.TransformerEncoder(layer, 2), *tensors("2,5,8"))


def test_recurrent_layers_unroll() -> None:
    assert_same(nn.LSTM(3, 4, batch_first=True, dtype=torch.float64), *tensors("2,3,3"))
    assert_same(nn.GRU(3, 4, batch_first=True, dtype=torch.float64), *tensors("2,3,3"))


def test_losses_decompose() -> None:
    target = torch.tensor([1, 0, 3])
    weight = torch.arange(1.0, 5.0, dtype=torch.float64)
    assert_same(lambda x: F.cross_entropy(x, target, weight), *tensors("3,4"))
    assert_same(lambda x, y: (F.mse_loss(x, y), F.huber_loss(x, y)), *tensors("3,4", "3,4"))


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_cross_entropy_reads_its_target_s_logit_and_stores_no_log_softmax(reduction: str) -> None:
    ignored, images = torch.tensor([1, -100, 3]), torch.tensor([[0, 2, 1], [1, -7, -7]])
    made = assert_same(lambda x: F.cross_entropy(x, ignored, reduction=reduction), *tensors("3,4"))
    wide = [line for line in notation(made) if line.partition("[")[2].partition("]")[0].count(",")]
    assert [line.partition("[")[0] for line in wide] == ["SN"], "exponentials alone have the classes' rank"
    assert_same(lambda x: F.cross_entropy(x, images, ignore_index=-7, reduction=reduction), *tensors("2,4,3"))
    one = torch.tensor(2)
    assert_same(lambda x: F.cross_entropy(x * 1e3, one, reduction=reduction), *tensors("4"))


def test_ops_of_the_raised_module() -> None:
    """Only what the passes know: Einsums, free views, calls."""
    made = raise_model(
        zoo.build("zoo:minilm-l6,layers=1").module, zoo.build("zoo:minilm-l6").example_inputs(8)
    )
    inner = {"linalg.generic", "linalg.index", "linalg.yield", "tensor.empty", "tensor.extract"}
    ours = {name for name in operations(made) if not name.startswith("arith.")} - inner
    views = {"tensor.expand_shape", "tensor.collapse_shape"}
    assert ours <= {"func.func", "func.call", "func.return", "cascade.einsum"} | views


class Counter(nn.Module):
    """Counts its calls in a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return x * self.calls


def test_a_model_that_changes_itself_is_refused() -> None:
    with pytest.raises(InputError, match=r"updates 'calls' by aten\.add"):
        raise_model(Counter(), (torch.ones(2),))


def test_half_precision_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"bfloat16.*accepted: the model in float32, with --precision bf16"):
        raise_model(nn.Linear(2, 2, dtype=torch.bfloat16), (torch.ones(1, 2, dtype=torch.bfloat16),))
