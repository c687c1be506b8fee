"""The verifiers of the cascade and tier dialects name what is wrong and where."""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder

import pytest

from penstock.ir.cascade import walk
from penstock.ir.errors import InputError
from penstock.ir.module import parse_module, print_module

GROUP = """
func.func @main(%q: tensor<4x8xf32>, %k: tensor<10x8xf32>) -> tensor<4xf32> {
  %r = "cascade.fused"(%q, %k) ({
  ^bb0(%a: tensor<4x8xf32>, %b: tensor<10x8xf32>):
    %s = "cascade.einsum"() {expr = "RM[p] = -inf"} : () -> tensor<4xf32>
    %g = "cascade.iterate"(%s) ({
    ^bb1(%rm: tensor<4xf32>):
      %x = "cascade.einsum"(%a, %b) {expr = "BQK[m0,p] = sum[e] mul(Q[p,e], K[m1*4+m0,e])"} : (tensor<4x8xf32>, tensor<10x8xf32>) -> tensor<4x4xf32>
      %m = "cascade.einsum"(%x) {expr = "LM[p] = max[m0] BQK[m0,p]"} : (tensor<4x4xf32>) -> tensor<4xf32>
      %n = "cascade.einsum"(%rm, %m) {expr = "RM[p] = max(RM[p], LM[p])"} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
      "cascade.yield"(%n) : (tensor<4xf32>) -> ()
    }) {rank = "m1", generations = 3, split = "m", extent = 10, tile_rank = "m0", tile = 4, until = "m1>=3"} : (tensor<4xf32>) -> tensor<4xf32>
    "cascade.yield"(%g) : (tensor<4xf32>) -> ()
  }) {kernel = "rowmax", passes_before = 1, passes_after = 1, over = "m", rank_order = ["p", "m1", "m0"], parallel = 1, tiles = ["m0=4"], footprint_before = "M", footprint_after = "M0", rewrites = [], derivation = []} : (tensor<4x8xf32>, tensor<10x8xf32>) -> tensor<4xf32>
  return %r : tensor<4xf32>
}
"""  # noqa: E501

TIER = """
func.func @main(%x: tensor<8xf32>) -> tensor<8xf32> attributes {tier.frame_bytes = 64} {
  %p = "tier.alloc"(%x) {tier = "ddr", offset = 0, bytes = 32} : (tensor<8xf32>) -> tensor<8xf32>
  %c, %t = "tier.copy"(%p) {to = "sram"} : (tensor<8xf32>) -> (tensor<8xf32>, !tier.token)
  "tier.wait"(%t) : (!tier.token) -> ()
  "tier.drop"(%p) : (tensor<8xf32>) -> ()
  return %c : tensor<8xf32>
}
"""


@pytest.mark.parametrize("text", [GROUP, TIER])
def test_text_round_trips(text: str) -> None:
    printed = print_module(parse_module(text))
    assert print_module(parse_module(printed)) == printed


@pytest.mark.parametrize(
    ("good", "bad", "complaint"),
    [
        ("RM[p] = -inf", "RM[p,q] = -inf", "RM has 1 ranks, 2 indices written"),
        ("BQK[m0,p] =", "BQK[m0,p] ==", "a name expected at column 12"),
        ("K[m1*4+m0,e]", "K[m1*4+m0,p]", "rank 'p' has extent 4 and, in K, 8"),
        ("LM[p] = max[m0] BQK[m0,p]", "LM[p] = most[m0] BQK[m0,p]", "expected"),
        ("LM[p] = max[m0] BQK[m0,p]", "LM[p+1] = max[m0] BQK[m0,p]", "distinct plain ranks"),
        ('{expr = "LM', '{text = "LM', "attribute 'expr' is missing"),
        ("generations = 3", "generations = 2", "2 generations of 4 do not cover 10"),
        ('until = "m1>=3"', 'until = ""', "needs a stopping condition"),
        ('kernel = "rowmax", ', "", "attribute 'kernel' is missing"),
        ('"cascade.einsum"() ', '"cascade.sum"() ', "no such op"),
        ('"cascade.einsum"() ', '"casc.einsum"() ', "unknown dialect 'casc'"),
        ('(%a, %b) {expr = "BQK', '(%q, %b) {expr = "BQK', "outside the group"),
    ],
)
def test_broken_groups_are_refused(good: str, bad: str, complaint: str) -> None:
    assert good in GROUP
    with pytest.raises(InputError, match=complaint):
        parse_module(GROUP.replace(good, bad))


@pytest.mark.parametrize(
    ("good", "bad", "complaint"),
    [
        ("offset = 0", "offset = -64", "offset is negative"),
        (
            "bytes = 32} : (tensor<8xf32>) -> tensor<8xf32>",
            "bytes = 32} : (tensor<8xf32>) -> tensor<8xf64>",
            "expects different type|changes",
        ),
        ('"tier.drop"(%p) : (tensor<8xf32>)', '"tier.drop"(%t) : (!tier.token)', "tensor"),
        ('"tier.wait"', '"tier.await"', "unregistered|tier.await"),
    ],
)
def test_broken_placement_is_refused(good: str, bad: str, complaint: str) -> None:
    assert good in TIER
    with pytest.raises(InputError, match=complaint):
        parse_module(TIER.replace(good, bad))


def test_the_line_of_the_mistake_is_in_the_message() -> None:
    with pytest.raises(InputError, match=r'cascade.einsum at "-":8:12'):
        parse_module(GROUP.replace("K[m1*4+m0,e]", "K[m1*4+m0,p]"))


class Watched(MetaPathFinder):
    """Finds nothing, and keeps what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:
        self.asked.append(fullname)


def test_no_file_is_looked_for_when_our_ops_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was, at each op anew: a third of the time of a compilation."""
    watched = Watched()
    monkeypatch.setattr(sys, "meta_path", [watched, *sys.meta_path])
    for text in (GROUP, TIER):
        read = [op.attributes for op in walk(parse_module(text).operation)]
        assert len(read) > 4
    assert not [name for name in watched.asked if name.endswith((".cascade", ".tier"))]
