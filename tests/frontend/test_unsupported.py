"""What cannot be compiled is said at once, with counts and lines; what cannot be exported, on its line."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from penstock.frontend.torch_export import raise_model
from penstock.ir.errors import InputError, UnsupportedOps

HERE = Path(__file__).name


class Many(nn.Module):
    """Five kinds of ops nobody lowers, one of them twice."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        y = torch.lgamma(x)
        chosen = y[y > 0]
        noise = torch.rand_like(y) + y
        y = torch.lgamma(y) + torch.linalg.inv(noise)
        return y, chosen.sum(), torch.fft.fft(x).real


def test_every_op_is_reported_with_count_and_lines() -> None:
    with pytest.raises(UnsupportedOps) as caught:
        raise_model(Many(), (torch.eye(3),))
    first = Many.forward.__code__.co_firstlineno
    found = {op.op: (op.count, op.sources, op.reason) for op in caught.value.ops}
    assert found == {
        "aten.lgamma.default": (
            2,
            (f"{HERE}:{first + 1}", f"{HERE}:{first + 4}"),
            "no Einsum form, and torch-mlir cannot lower it",
        ),
        "aten.index.Tensor": (1, (f"{HERE}:{first + 2}",), "the shape of its result depends on data"),
        "aten.rand_like.default": (1, (f"{HERE}:{first + 3}",), "its result is random"),
        "aten.linalg_inv.default": (
            1,
            (f"{HERE}:{first + 4}",),
            "no Einsum form, and torch-mlir cannot lower it",
        ),
        "aten.fft_fft.default": (1, (f"{HERE}:{first + 5}",), "its result is of type complex64"),
    }


class Branches(nn.Module):
    """Takes one of two ways by a value."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.sum() > 0:
            return x
        return -x


class Misfit(nn.Module):
    """Multiplies what does not fit."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ torch.ones(5, 5)


class Missing(nn.Module):
    """Reads what is not there."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * float(Path("/no/such/file").read_text())


class Leaves(nn.Module):
    """Leaves the process."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise SystemExit(4)


class Number(nn.Module):
    """Returns a Python number of the data."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, float]:
        return x, x.sum().item()


@pytest.mark.parametrize(
    ("module", "message", "line"),
    [
        (Branches(), "data-dependent", 1),
        (Misfit(), r"\[2, 2\] X \[5, 5\]", 1),
        (Leaves(), "exported: 4", 1),
    ],
)
def test_what_cannot_be_exported_is_told_by_its_line(
    module: nn.Module, message: str, line: int, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        raise_model(module, (torch.ones(2, 2),))
    assert caught.value.where == f"{HERE}:{type(module).forward.__code__.co_firstlineno + line}"
    assert "Traceback" not in capfd.readouterr().err


def test_whatever_a_model_raises_is_the_answer() -> None:
    with pytest.raises(InputError, match="No such file"):
        raise_model(Missing(), (torch.ones(2, 2),))


def test_a_number_of_the_data_cannot_be_an_output() -> None:
    with pytest.raises(UnsupportedOps, match="Python number that depends on data"):
        raise_model(Number(), (torch.ones(2),))


def test_a_file_of_a_program_with_open_shapes_is_refused(tmp_path: Path) -> None:
    from penstock.frontend.torch_export import raise_programs

    program = torch.export.export(
        nn.ReLU(), (torch.ones(4, 2),), dynamic_shapes=({0: torch.export.Dim("n")},)
    )
    with pytest.raises(InputError, match="shape that is not fixed"):
        raise_programs({"main": program})
