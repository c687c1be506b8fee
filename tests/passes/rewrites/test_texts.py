"""Every rewriting on a small cascade: the text that goes in, and the text that comes out."""

from __future__ import annotations

import pytest

from penstock.passes.analyse import parse_cascade
from penstock.passes.rewrites import Candidate, legal_rewrites

from .cascades import assert_same, inputs_of


def rewritten(text: str, name: str, tile: int | None = None) -> Candidate:
    """The only rewriting of that name."""
    found = [each for each in legal_rewrites(parse_cascade(text), tile=tile) if each.name == name]
    assert len(found) == 1, [each.name for each in found]
    assert_same(parse_cascade(text), found[0].cascade, inputs_of(parse_cascade(text)))
    return found[0]


TEXTS = {
    "a chain of products is taken in the cheaper order": (
        "reassociate",
        """
        A=40 B=3 C=30 D=4
        T[a,c] = sum[b] mul(X[a,b], Y[b,c])
        Z[a,d] = sum[c] mul(T[a,c], W[c,d])
        """,
        """
        YW[b,d] = sum[c] mul(Y[b,c], W[c,d])
        Z[a,d] = sum[b] mul(X[a,b], YW[b,d])
        """,
    ),
    "the order is as free over maxima and sums": (
        "reassociate",
        """
        A=8 B=2 C=8 D=2
        T[a,c] = max[b] add(X[a,b], Y[b,c])
        Z[a,d] = max[c] add(T[a,c], W[c,d])
        """,
        """
        YW[b,d] = max[c] add(Y[b,c], W[c,d])
        Z[a,d] = max[b] add(X[a,b], YW[b,d])
        """,
    ),
    "attention without a softmax is linear in its length": (
        "reassociate",
        """
        P=32 M=32 D=4 F=4
        S[p,m] = sum[d] mul(Q[p,d], K[m,d])
        Y[p,f] = sum[m] mul(S[p,m], V[m,f])
        """,
        """
        KV[d,f] = sum[m] mul(K[m,d], V[m,f])
        Y[p,f] = sum[d] mul(Q[p,d], KV[d,f])
        """,
    ),
    "a constant is pushed into the smaller operand": (
        "reassociate",
        """
        T=32 D=2 O=64
        Y[t,o] = sum[d] mul(X[t,d], W[d,o])
        Z[t,o] = mul(Y[t,o], 0.5)
        """,
        """
        Z_part[t,d] = mul(X[t,d], 0.5)
        Z[t,o] = sum[d] mul(Z_part[t,d], W[d,o])
        """,
    ),
    "sums of sums are merged": (
        "reassociate",
        """
        M=4 N=8
        L[m] = sum[n] X[m,n]
        Z = sum[m] L[m]
        """,
        """
        Z[] = sum[m,n] X[m,n]
        """,
    ),
    "what is subtracted everywhere is subtracted from the maximum": (
        "reassociate",
        """
        K=6
        G = max[k] X[k]
        T[k] = sub(X[k], G)
        Z = max[k] T[k]
        """,
        """
        G[] = max[k] X[k]
        Z[] = sub(G[], G[])
        """,
    ),
    "a division is deferred": (
        "defer",
        """
        K=6 F=2
        S = sum[k] exp(X[k])
        A[k] = div(X[k], S)
        Y[f] = sum[k] mul(A[k], V[k,f])
        """,
        """
        S[] = sum[k] exp(X[k])
        Y_num[f] = sum[k] mul(X[k], V[k,f])
        Y[f] = div(Y_num[f], S[])
        """,
    ),
    "a variance is the moments it is made of": (
        "distribute",
        """
        K=8
        S = sum[k] X[k]
        M = mul(S, 0.125)
        C[k] = sub(X[k], M)
        V = sum[k] square(C[k])
        """,
        """
        S[] = sum[k] X[k]
        M[] = mul(S[], 0.125)
        X_sum[] = sum[k] square(X[k])
        V_term[] = mul(S[], M[])
        V_term_2[] = mul(V_term[], 2.0)
        V_term_3[] = sub(X_sum[], V_term_2[])
        V_term_4[] = mul(M[], 8.0)
        V_term_5[] = mul(V_term_4[], M[])
        V[] = add(V_term_3[], V_term_5[])
        """,
    ),
    "a centred row times a matrix is a product less the mean of the matrix": (
        "distribute",
        """
        T=4 D=8 O=3
        S[t] = sum[d] X[t,d]
        M[t] = mul(S[t], 0.125)
        C[t,d] = sub(X[t,d], M[t])
        Y[t,o] = sum[d] mul(C[t,d], W[d,o])
        """,
        """
        S[t] = sum[d] X[t,d]
        M[t] = mul(S[t], 0.125)
        W_X_sum[o,t] = sum[d] mul(W[d,o], X[t,d])
        W_sum[o] = sum[d] W[d,o]
        Y_term[t,o] = mul(W_sum[o], M[t])
        Y[t,o] = sub(W_X_sum[o,t], Y_term[t,o])
        """,
    ),
    "the logarithm of a sum of exponentials is carried": (
        "iterate",
        """
        K=8
        G = max[k] X[k]
        N[k] = exp_sub(X[k], G)
        S = sum[k] N[k]
        L = log(S)
        Z = add(L, G)
        """,
        """
        RG[0] = -inf
        RS[0] = 0.0
        BX[k1,k0] = X[k1*4+k0]
        LG[k1] = max[k0] BX[k1,k0]
        RG[k1+1] = max(RG[k1], LG[k1])
        N[k1,k0] = exp_sub_left(X[k1*4+k0], RG[k1+1])
        PG[k1] = exp_sub_left(RG[k1], RG[k1+1])
        LS[k1] = sum[k0] N[k1,k0]
        SS[k1] = mul(RS[k1], PG[k1])
        RS[k1+1] = add(LS[k1], SS[k1])
        L[] = log(RS[2])
        Z[] = add(L[], RG[2])
        """,
    ),
    "a factor proved positive is carried by its ratio": (
        "iterate",
        """
        K=8 F=2
        N[k] = exp(X[k])
        S = sum[k] N[k]
        R[k] = mul(X[k], S)
        Z[f] = sum[k] mul(R[k], V[k,f])
        """,
        """
        RS[0] = 0.0
        RZ[0,f] = 0.0
        N[k1,k0] = exp(X[k1*4+k0])
        LS[k1] = sum[k0] N[k1,k0]
        RS[k1+1] = add(RS[k1], LS[k1])
        R[k1,k0] = mul(X[k1*4+k0], RS[k1+1])
        LZ[k1,f] = sum[k0] mul(R[k1,k0], V[k1*4+k0,f])
        SZ[k1,f] = div_left(RZ[k1,f], RS[k1])
        SZ_2[k1,f] = mul(SZ[k1,f], RS[k1+1])
        RZ[k1+1,f] = add(LZ[k1,f], SZ_2[k1,f])
        Z[f] = RZ[2,f]
        """,
    ),
    "parts of a rank are folded on their own and combined": (
        "split_k",
        """
        M=8 P=2 F=3
        G[p] = max[m] S[m,p]
        N[m,p] = exp_sub(S[m,p], G[p])
        D[p] = sum[m] N[m,p]
        A[m,p] = div(N[m,p], D[p])
        Y[f,p] = sum[m] mul(A[m,p], V[f,m])
        """,
        """
        LG[m1,p] = max[m0] S[m1*4+m0,p]
        G[p] = max[m1] LG[m1,p]
        N[m1,m0,p] = exp_sub_left(S[m1*4+m0,p], LG[m1,p])
        LD[m1,p] = sum[m0] N[m1,m0,p]
        PG[m1,p] = exp_sub_left(LG[m1,p], G[p])
        D[p] = sum[m1] mul(LD[m1,p], PG[m1,p])
        LY_num[m1,f,p] = sum[m0] mul(N[m1,m0,p], V[f,m1*4+m0])
        Y_num[f,p] = sum[m1] mul(LY_num[m1,f,p], PG[m1,p])
        Y[f,p] = div(Y_num[f,p], D[p])
        """,
    ),
    "a variance is carried without a difference of moments": (
        "welford",
        """
        K=8
        S = sum[k] X[k]
        M = mul(S, 0.125)
        C[k] = sub(X[k], M)
        V = sum[k] square(C[k])
        """,
        """
        AV[0] = 0.0
        RV[0] = 0.0
        TV[k1] = sum[k0] X[k1*4+k0]
        MV[k1] = mul(TV[k1], 0.25)
        CV[k1,k0] = sub(X[k1*4+k0], MV[k1])
        LV[k1] = sum[k0] square(CV[k1,k0])
        DV[k1] = sub(MV[k1], AV[k1])
        GV[k1] = div(DV[k1], @(k1+1))
        AV[k1+1] = add(AV[k1], GV[k1])
        QV[k1] = square(DV[k1])
        WV[k1] = div(@(k1*4), @(k1+1))
        BV[k1] = mul(QV[k1], WV[k1])
        EV[k1] = add(LV[k1], BV[k1])
        RV[k1+1] = add(RV[k1], EV[k1])
        V[] = RV[2]
        """,
    ),
    "a linear recurrence is parallel within a chunk": (
        "chunk",
        """
        T=6
        init:
        S[0] = 2.0
        einsums:
        D[t] = mul(A[t], S[t])
        S[t+1] = add(D[t], X[t])
        Y[t] = exp(S[t+1])
        Z = S[T]
        stop: t >= T
        """,
        """
        S[0] = 2.0
        AFT[tj,ti] = gt(@ti, @tj)
        UPTO[t0,ti] = le(@ti, @t0)
        SEG[t0,tj,ti] = and(AFT[tj,ti], UPTO[t0,ti])
        SEEN[t1,t0,tj,ti] = where(SEG[t0,tj,ti], A[t1*3+ti], 1.0)
        DS[t1,t0,tj] = prod[ti] SEEN[t1,t0,tj,ti]
        CAME[t0,tj] = le(@tj, @t0)
        DW[t1,t0,tj] = where(CAME[t0,tj], DS[t1,t0,tj], 0.0)
        LS[t1,t0] = sum[tj] mul(DW[t1,t0,tj], X[t1*3+tj])
        AU[t1,t0,ti] = where(UPTO[t0,ti], A[t1*3+ti], 1.0)
        DU[t1,t0] = prod[ti] AU[t1,t0,ti]
        PS[t1] = mul(DU[t1,2], S[t1])
        S[t1+1] = add(PS[t1], LS[t1,2])
        BS[t1,t0] = mul(DU[t1,t0], S[t1])
        ES[t1,t0] = add(BS[t1,t0], LS[t1,t0])
        Y[t1,t0] = exp(ES[t1,t0])
        Z[] = S[2]
        """,
    ),
}


@pytest.mark.parametrize("title", TEXTS)
def test_the_text_of_a_rewriting(title: str) -> None:
    name, before, after = TEXTS[title]
    found = rewritten(before, name)
    wanted = [line.strip() for line in after.strip().splitlines()]
    assert [str(einsum) for einsum in found.cascade.all] == wanted
    assert all(step.why and step.lines() for step in found.steps)


@pytest.mark.parametrize("tile", [1, 3, 5, 8])
@pytest.mark.parametrize("name", ["iterate", "split_k"])
def test_tiles_need_not_divide_a_rank(name: str, tile: int) -> None:
    found = rewritten(TEXTS["parts of a rank are folded on their own and combined"][1], name, tile=tile)
    assert found.passes == (3, 1)
    assert found.cascade.extents["m1"] == -(-8 // tile)
