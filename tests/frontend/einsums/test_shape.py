"""Views, joins and look-ups give what PyTorch gives; views take no Einsum where a reshape will do."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from ..raised import assert_same, integers, notation, tensors, upstream_functions

VIEWS = {
    "reshapes": lambda x: (
        x.view(6, 4), x.reshape(2, -1), x.flatten(1), x.unflatten(2, (2, 2)), x[None, :, None], x.view(-1),
        x.view(4, 6), x.view(3, 2, 4), x[:, :1].squeeze(), x.sum().view(1, 1),
    ),
    "transposes": lambda x: (
        x.permute(2, 0, 1), x.transpose(0, 2), x.transpose(0, 1).reshape(6, 4), x.movedim(0, 2), x.mT,
        x[:, :1].transpose(0, 1), x[0].t(),
    ),
    "expansions": lambda x: (
        x.expand(2, 2, 3, 4), x[:, :1].expand(2, 5, 4), x[:, :1].expand(-1, 3, -1) + x, x.repeat(1, 2, 1),
        x[0].repeat(2, 3, 2), x.tile(2), x.repeat_interleave(2, dim=0), x.repeat_interleave(3),
    ),
    "slices": lambda x: (
        x[1:], x[:, 1:3], x[..., ::2], x[..., 1::2], x[..., -2:], x[0], x[:, -1], x[..., :3], x[:, :2, :3],
        x.narrow(1, 1, 2), x[-1, 2],
    ),
    "pieces": lambda x: (
        *x.split(2, -1), *x.chunk(3, 1), *x.split([1, 3], -1), *x.unbind(0), *x.tensor_split(3, -1),
        *x.split(3, -1), *x.split([1, 3, 0], -1)[:2],
    ),
    "turned": lambda x: (x.flip(0), x.flip((0, 2)), x.roll(1, 0), x.roll((1, 2), (0, 1)), x.roll(3)),
    "diagonals": lambda x: (
        x.diagonal(0, 1, 2), x.diagonal(1, 1, 2), x.diagonal(-1, 1, 2), torch.diag(x[0, 0]),
        torch.diag_embed(x),
    ),
    "windows": lambda x: (
        x.unfold(2, 3, 1), F.pad(x, (1, 2)), F.pad(x, (0, 1, 2, 0)), F.pad(x, (1, 1), value=3.0)
    ),
    "padding beyond": lambda x: (F.pad(x, (0, 2), value=-1.0), F.pad(x, (-1, 2)), F.pad(x > 0, (1, 1))),
    "equal joins": lambda x: (
        torch.cat([x, x + 1]), torch.cat([x, x + 1, x + 2], -1), torch.stack([x, x + 1], -1),
        torch.stack([x, x + 1, x + 2], 1), torch.cat([x > 0, x > 1], 1),
    ),
    "halves turned": lambda x: (
        torch.cat([-x[..., 2:], x[..., :2]], -1), torch.stack([-x[..., 1::2], x[..., ::2]], -1).flatten(-2)
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", VIEWS)
def test_view(case: str) -> None:
    assert not upstream_functions(assert_same(VIEWS[case], *tensors("2,3,4")))


def test_merges_and_splits_are_free() -> None:
    made = assert_same(lambda x: x.view(6, 4).view(6, 2, 2).unsqueeze(1).flatten(), *tensors("2,3,4"))
    assert notation(made) == []


def test_equal_pieces_share_one_split() -> None:
    made = assert_same(lambda x: sum(x.chunk(3, -1)), *tensors("2,6"))
    assert str(made.module).count("tensor.expand_shape") == 1


def test_unequal_pieces_join_upstream() -> None:
    made = assert_same(lambda x: (torch.cat([x, x[:1], x]), torch.cat([x] * 6, 1)), *tensors("3,4"))
    assert upstream_functions(made) == ["concat", "concat_2"]


def test_pixels() -> None:
    assert_same(
        lambda x: (F.pixel_shuffle(x, 2), F.pixel_unshuffle(F.pixel_shuffle(x, 2), 2)), *tensors("1,8,3,3")
    )


def test_updates_in_place_become_new_values() -> None:
    def update(x: torch.Tensor) -> torch.Tensor:
        y = x.clone()
        y[:, 0] = 0.0
        y[:, 1:3] = x[:, :2]
        y.add_(1)
        return y.relu_()

    assert_same(update, *tensors("3,4"))


def test_look_ups_pass_through() -> None:
    i, j = integers(4, "3"), integers(4, "3", seed=1)
    made = assert_same(
        lambda x: (x[i], x[:, i], x[i, j], x[i, :, j], x[i[:, None], j], x[-i - 1], x[..., i]),
        *tensors("4,4,4"),
    )
    assert all(name.startswith("gather") for name in upstream_functions(made))
    assert_same(
        lambda x, k: (x.gather(1, k), torch.take_along_dim(x, k, 1)), tensors("3,4")[0], integers(4, "3,2")
    )
    assert_same(lambda w, k: F.embedding(k, w), tensors("7,3")[0], integers(7, "2,4"))
    assert_same(lambda x, k: x.index_select(1, k), tensors("3,4")[0], integers(4, "5"))


def test_the_one_coordinate_of_a_tensor_without_dimensions() -> None:
    one, source, place = torch.tensor(2.0), torch.tensor([3.0]), torch.tensor([0])
    assert_same(lambda x, k: x.index_select(0, k), one, place)
    assert_same(
        lambda x, s, k: (x.index_add(0, k, s[0], alpha=2), x.index_copy(-1, k, s[0])), one, source, place
    )


def test_look_ups_at_known_places_are_relabellings() -> None:
    along = torch.arange(4)
    made = assert_same(
        lambda x: (
            x[torch.arange(4)[:, None], torch.arange(3)],
            x[:, torch.arange(3) + 1],
            x[1 + torch.arange(2)],
        ),
        *tensors("4,4"),
    )
    assert upstream_functions(made) == []
    assert upstream_functions(assert_same(lambda x: x[along - 1], *tensors("4,4"))) != []


def test_scatters_are_einsums_over_equality() -> None:
    where, row = torch.tensor([[0, 2], [1, 4], [3, 0]]), torch.tensor([0, 3])

    def scattered(x: torch.Tensor, s: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (
            x.scatter(1, where, s), x.scatter(1, where, 2.0), x.scatter_add(1, where, s),
            x.scatter_reduce(1, where, s, "amax"), x.index_add(1, row, s), x.index_copy(1, row, s),
            x.t().index_put((row,), s.t()), torch.select_scatter(x, s[0, 0].expand(3), 1, 1),
        )  # fmt: skip

    assert not upstream_functions(assert_same(scattered, *tensors("3,5", "3,2")))


def test_one_hot_and_buckets() -> None:
    assert_same(lambda k: F.one_hot(k, 5), integers(5, "2,3"))
    assert_same(
        lambda x: torch.bucketize(x, torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64)), *tensors("5")
    )
