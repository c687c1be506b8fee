"""Einsum notation reads back what it prints, and refuses what is not an Einsum."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.ir.einsum import Access, Coord, Einsum, Index, Literal, Operand, solve_extents
from penstock.ir.errors import NotationError
from penstock.ir.notation import parse_einsum

RANKS = st.sampled_from(["b", "h", "m", "p", "e", "m0", "m1"])
INDEX = st.builds(
    lambda terms, const: Index(tuple(terms.items()), const),
    st.dictionaries(RANKS, st.integers(-5, 130).filter(bool), min_size=1, max_size=3),
    st.integers(-9, 9),
)
PLAIN = st.lists(RANKS, max_size=4, unique=True).map(lambda ranks: tuple(map(Index.of, ranks)))
OPERAND = st.one_of(
    st.builds(Access, st.sampled_from(["A", "B2", "x.y"]), st.lists(INDEX, max_size=3).map(tuple)),
    st.builds(Literal, st.one_of(st.integers(-9, 9), st.floats(allow_nan=False), st.booleans())),
    st.builds(Coord, INDEX),
)


@given(PLAIN, OPERAND, OPERAND)
def test_printed_einsum_parses_to_itself(output: tuple[Index, ...], left: Operand, right: Operand) -> None:
    operands = (left, right)
    inside = {rank for item in operands if not isinstance(item, Literal) for rank in item.ranks}
    reduced = tuple(sorted(inside - {rank for index in output for rank in index.ranks}))
    einsum = Einsum(Access("Y", output), "add", operands, "sum" if reduced else None, reduced)
    assert Einsum.parse(str(einsum)) == einsum


@pytest.mark.parametrize(
    ("shorthand", "canonical"),
    [
        ("QK[m,p] = Q[e,p]*K[e,m]", "QK[m,p] = sum[e] mul(Q[e,p], K[e,m])"),
        ("Z = Y*X", "Z[] = mul(Y[], X[])"),
        ("A[m,p]=SN[m,p]/SD[p]", "A[m,p] = div(SN[m,p], SD[p])"),
        ("X = A[k]", "X[] = sum[k] A[k]"),
        ("RM[m1+1,p] = max(RM[m1,p], LM[m1,p])", "RM[m1+1,p] = max(RM[m1,p], LM[m1,p])"),
        ("C[m,p] = le(@m, @(p+3))", "C[m,p] = le(@m, @(p+3))"),
        ("Y[i] = where(A[i], -inf, 1e-05)", "Y[i] = where(A[i], -inf, 1e-05)"),
    ],
)
def test_the_papers_shorthand_is_read(shorthand: str, canonical: str) -> None:
    assert str(Einsum.parse(shorthand)) == canonical


def test_upper_case_symbols_are_shapes_when_given() -> None:
    einsum = parse_einsum("BK[e,m1,m0] = K[e,m1*M0+m0]", {"M0": 8})
    assert str(einsum) == "BK[e,m1,m0] = K[e,m1*8+m0]"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("Y[i] = frob(A[i])", "unknown map operator 'frob'"),
        ("Y[i] = add(A[i])", "takes 2 operands, 1 given"),
        ("Y[i] = sum[i] A[i]", "both reduced and in the output"),
        ("Y[i] = mul(A[i*j], B[j])", "no product of ranks"),
        ("Y[i] = add(A[i], B[i]", "expected at column"),
        ("Y[i] $ A[i]", r"unexpected ' ' at column 5|unexpected"),
        ("Y[i = A[i]", "expected at column 5"),
        ("", "a name expected"),
    ],
)
def test_what_is_no_einsum_is_refused_with_its_place(text: str, complaint: str) -> None:
    with pytest.raises(NotationError, match=complaint):
        Einsum.parse(text)


def test_extents_come_from_plain_indices() -> None:
    einsum = Einsum.parse("Y[n,k,h,w] = sum[c,r,s] mul(X[n,c,h*2+r-3,w*2+s-3], W[k,c,r,s])")
    assert solve_extents(einsum, [(1, 3, 224, 224), (64, 3, 7, 7)], (1, 64, 112, 112)) == {
        "n": 1, "k": 64, "h": 112, "w": 112, "c": 3, "r": 7, "s": 7,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "shapes", "output", "complaint"),
    [
        ("Y[i] = add(A[i], B[i])", [(3,), (4,)], (3,), "rank 'i' has extent 3 and, in B, 4"),
        ("Y[i] = A[i,i]", [(3,)], (3,), "A has 1 ranks, 2 indices written"),
        ("Y[i] = sum[j] A[i*2+j]", [(8,)], (3,), "rank 'j' has no extent"),
    ],
)
def test_extents_that_disagree_are_refused(
    text: str, shapes: list[tuple[int, ...]], output: tuple[int, ...], complaint: str
) -> None:
    with pytest.raises(NotationError, match=complaint):
        solve_extents(Einsum.parse(text), shapes, output)


def test_a_rank_that_is_summed_but_read_nowhere_has_no_extent() -> None:
    einsum = Einsum(Access("Y", (Index.of("b"),)), "id", (Access("X", (Index.of("b"),)),), "sum", ("c",))
    with pytest.raises(NotationError, match="rank 'c' has no extent"):
        solve_extents(einsum, [(2,)], (2,))
