"""Matrix products, einsum, convolutions and pooling give what PyTorch gives, in float64."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F

from penstock.ir.errors import UnsupportedOps

from ..raised import assert_same, integers, notation, operations, raised, tensors, upstream_functions

MATMULS = {
    "matrices": ("3,4", "4,5"),
    "batches": ("2,3,4", "2,4,5"),
    "broadcast batches": ("2,1,3,4", "5,4,6"),
    "vectors": ("4", "4"),
    "matrix and vector": ("3,4", "4"),
    "vector and matrix": ("4", "4,5"),
    "batch and vector": ("2,3,4", "4"),
    "vector and batch": ("4", "2,4,3"),
    "one column": ("2,1,4", "4,1"),
    "both batches broadcast": ("2,3,1,4", "1,3,4,2"),
}
EINSUMS = {
    "ij,jk->ik": ("3,4", "4,5"),
    "bhqd,bhkd->bhqk": ("2,3,4,5", "2,3,6,5"),
    "ij->ji": ("3,4",),
    "ii->i": ("3,3",),
    "ii": ("3,3",),
    "ij->": ("3,4",),
    "i,j->ij": ("3", "4"),
    "...ij,...jk->...ik": ("2,3,4", "2,4,5"),
    "b...d,dn->b...n": ("2,3,4", "4,5"),
    "bij,bjk": ("2,3,4", "2,4,5"),
    "ab,bc,cd->ad": ("2,3", "3,4", "4,5"),
    "bsd,bsd->bs": ("2,3,4", "2,3,4"),
    "ij,ij->i": ("3,4", "1,4"),
}
CONVOLUTIONS = {
    "1-D": ("2,3,8", "4,3,3", {}),
    "1-D strided": ("2,3,9", "4,3,3", {"stride": 2, "padding": 1}),
    "2-D padded": ("2,3,8,7", "4,3,3,3", {"padding": 1}),
    "2-D strided": ("1,3,9,9", "4,3,3,3", {"stride": 2, "padding": 1}),
    "pointwise": ("1,3,5,5", "4,3,1,1", {}),
    "pointwise strided": ("1,3,5,5", "4,3,1,1", {"stride": 2}),
    "patches": ("1,3,8,8", "5,3,4,4", {"stride": 4}),
    "dilated": ("1,2,9,9", "3,2,3,3", {"dilation": 2, "padding": 2}),
    "grouped": ("1,4,6,6", "6,2,3,3", {"groups": 2, "padding": 1}),
    "depthwise": ("1,4,6,6", "4,1,3,3", {"groups": 4, "padding": 1}),
    "depthwise, two each": ("1,4,6,6", "8,1,3,3", {"groups": 4, "padding": 1}),
    "3-D": ("1,2,5,5,5", "3,2,3,3,3", {"padding": 1}),
    "same": ("1,2,6,6", "3,2,3,3", {"padding": "same"}),
    "flat kernel": ("1,2,6,6", "3,2,1,3", {"padding": (0, 1)}),
    "no batch": ("2,6,6", "3,2,3,3", {}),
}


@pytest.mark.parametrize("case", MATMULS)
def test_matmul(case: str) -> None:
    assert_same(torch.matmul, *tensors(*MATMULS[case]))


@pytest.mark.parametrize("equation", EINSUMS)
def test_einsum(equation: str) -> None:
    assert_same(lambda *given: torch.einsum(equation, *given), *tensors(*EINSUMS[equation]))


@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_convolution(case: str) -> None:
    shape, kernel, options = CONVOLUTIONS[case]
    count = kernel.count(",") - 1
    call = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}[count]
    made = assert_same(
        lambda x, w, b: call(x, w, b, **options), *tensors(shape, kernel, kernel.partition(",")[0])
    )
    assert not upstream_functions(made)


def test_linear_is_one_product_and_one_sum() -> None:
    made = assert_same(F.linear, *tensors("2,3,4", "5,4", "5"))
    assert notation(made) == [
        "Y[b,s,n] = sum[d] mul(Tensors0[b,s,d], Tensors1[n,d])",
        "Linear[b,s,n] = add(Y[b,s,n], Tensors2[n])",
    ]
    assert "func.call" not in operations(made)


def test_padding_is_an_absent_point() -> None:
    made = assert_same(lambda x, w: F.conv2d(x, w, stride=2, padding=3), *tensors("1,3,9,9", "4,3,7,7"))
    assert notation(made) == [
        "Conv2d[b,n,y,x] = sum[c,r,s] mul(Tensors0[b,c,y*2+r-3,x*2+s-3], Tensors1[n,c,r,s])"
    ]


def test_other_products() -> None:
    assert_same(lambda b, x, y: torch.addmm(b, x, y, beta=0.5, alpha=2), *tensors("5", "3,4", "4,5"))
    assert_same(torch.baddbmm, *tensors("2,3,5", "2,3,4", "2,4,5"))
    assert_same(torch.outer, *tensors("3", "4"))
    assert_same(torch.kron, *tensors("2,3", "3,2"))
    assert_same(torch.cdist, *tensors("3,4", "5,4"))
    assert_same(F.bilinear, *tensors("2,3", "2,4", "5,3,4", "5"))
    assert_same(F.cosine_similarity, *tensors("3,4", "3,4"))
    assert_same(lambda x, y: torch.tensordot(x, y, dims=2), *tensors("2,3,4", "3,4,5"))
    assert_same(torch.matmul, integers(5, "3,4"), integers(5, "4,2"))
    assert_same(lambda x, w, b: F.conv_transpose2d(x, w, b, padding=1), *tensors("1,3,5,5", "3,2,3,3", "2"))


POOLS = {
    "max": lambda x: F.max_pool2d(x, 3, 2, 1),
    "max, ragged": lambda x: F.max_pool2d(x, 2, 2, ceil_mode=True),
    "average": lambda x: F.avg_pool2d(x, 2),
    "average, padded": lambda x: F.avg_pool2d(x, 3, 2, 1),
    "average, padding not counted": lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
    "global average": lambda x: F.adaptive_avg_pool2d(x, 1),
}


@pytest.mark.parametrize("case", POOLS)
def test_pooling(case: str) -> None:
    made = assert_same(POOLS[case], *tensors("1,2,7,7"))
    assert not upstream_functions(made)


@pytest.mark.parametrize("size", [(3, 5), (1, 8), (9, 11), (7, 4)])
def test_parts_that_overlap(size: tuple[int, int]) -> None:
    (x,) = tensors("2,3,7,8")
    x[0, 0, 3, 3], x[1, 1] = math.nan, -math.inf
    assert_same(lambda x: (F.adaptive_max_pool2d(x, size), F.adaptive_max_pool1d(x[0], size[1])), x)
    assert_same(lambda x: (F.adaptive_avg_pool2d(x, size), F.adaptive_avg_pool3d(x, (2, *size))), x)


@pytest.mark.parametrize("pool", [F.max_pool1d, F.adaptive_max_pool1d])
def test_where_the_largest_lies_is_refused_by_the_name_of_its_operator(pool: Callable[..., object]) -> None:
    with pytest.raises(UnsupportedOps, match=r"result 1 of aten.*max_pool1d.* is not computed"):
        raised(lambda x: pool(x, 3, return_indices=True), *tensors("2,3,8"))


def test_factors_of_whole_products_are_whole() -> None:
    x, y, bias = integers(9, "2,3,4"), integers(9, "2,4,5", 1), integers(9, "2,3,5", 2)
    assert_same(lambda b, x, y: torch.baddbmm(b, x, y, alpha=0.6, beta=2.7), bias, x, y)


def test_means_of_whole_numbers_are_cut_towards_zero() -> None:
    x = integers(90, "2,3,7,8") - 45
    assert_same(lambda x: (F.avg_pool2d(x, 3, 2, 1), F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)), x)
    assert_same(lambda x: (F.avg_pool1d(x[0], 4), F.avg_pool2d(x, 2, divisor_override=-3)), x)


def test_adaptive_pooling_over_equal_parts() -> None:
    assert_same(lambda x: F.adaptive_avg_pool2d(x, (2, 3)), *tensors("1,2,6,6"))
