"""Cascades that the tests of the binding share."""

from __future__ import annotations

from penstock.ir.view import Cascade
from penstock.ir.view_text import parse_cascade
from penstock.passes.bind.cascades import attention_cascade

LINEAR_ATTENTION = """
E=16 F=8 M=32
init:
  S[e,f,0] = 0.0
einsums:
  KV[e,f,m]  = mul(K[e,m], V[f,m])
  S[e,f,m+1] = add(S[e,f,m], KV[e,f,m])
  O[f,m]     = sum[e] mul(Q[e,m], S[e,f,m+1])
stop: m >= M
"""

MOMENTS = """
D=64 T=32
S[t]  = sum[d] X[t,d]
Q[t]  = sum[d] mul(X[t,d], X[t,d])
MS[t] = mul(S[t], S[t])
VR[t] = sub(Q[t], MS[t])
"""

STABLE_ATTENTION = """
E=64 F=64 M=1024 P=512
QK[m,p] = sum[e] mul(Q[e,p], K[e,m])
GM[p]   = max[m] QK[m,p]
SN[m,p] = exp_sub(QK[m,p], GM[p])
SD[p]   = sum[m] SN[m,p]
A[m,p]  = div(SN[m,p], SD[p])
AV[f,p] = sum[m] mul(A[m,p], V[f,m])
"""

PAPERS = {
    "array-2d": {"BQK", "LM", "SLN", "SLD", "SLNV"},
    "array-1d": {"RM", "PRM", "SPD", "RD", "SPNV", "RNV", "AV"},
}
"""FuseMax figure 4."""


def attention(embedding: int, side: int, p1: int = 4, m1: int = 4) -> Cascade:
    """One-pass attention with E = F on a square array."""
    return attention_cascade(e=embedding, f=embedding, m1=m1, m0=side, p1=p1, p0=side)


def cascade(text: str) -> Cascade:
    """A cascade from its text."""
    return parse_cascade(text)
