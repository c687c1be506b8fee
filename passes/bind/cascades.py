"""The cascade FuseMax binds: one-pass attention, its Cascade 5 (Eq 39-56), under the paper's names."""

from __future__ import annotations

from ...ir.view import Cascade
from ...ir.view_text import parse_cascade

_ATTENTION = """
E={e} F={f} M1={m1} M0={m0} P={p}
init:
  BK[e,m1,m0] = K[e,m1*M0+m0]
  BV[f,m1,m0] = V[f,m1*M0+m0]
  RM[0,p]     = -inf
  RD[0,p]     = 0.0
  RNV[f,0,p]  = 0.0
einsums:
  BQK[m1,m0,p]  = sum[e] mul(Q[e,p], BK[e,m1,m0])
  LM[m1,p]      = max[m0] BQK[m1,m0,p]
  RM[m1+1,p]    = max(RM[m1,p], LM[m1,p])
  SLN[m1,m0,p]  = exp_sub(BQK[m1,m0,p], RM[m1+1,p])
  SLD[m1,p]     = sum[m0] SLN[m1,m0,p]
  SLNV[f,m1,p]  = sum[m0] mul(SLN[m1,m0,p], BV[f,m1,m0])
  PRM[m1,p]     = exp_sub(RM[m1,p], RM[m1+1,p])
  SPD[m1,p]     = mul(RD[m1,p], PRM[m1,p])
  RD[m1+1,p]    = add(SLD[m1,p], SPD[m1,p])
  SPNV[f,m1,p]  = mul(RNV[f,m1,p], PRM[m1,p])
  RNV[f,m1+1,p] = add(SLNV[f,m1,p], SPNV[f,m1,p])
  AV[f,p]       = div(RNV[f,M1,p], RD[M1,p])
stop: m1 >= M1
"""


def attention_cascade(*, e: int, f: int, m1: int, m0: int, p1: int, p0: int) -> Cascade:
    """One-pass attention of one batch and head (FuseMax Cascade 5).

    Args:
        e: embedding of queries and keys.
        f: embedding of values.
        m1: tiles of keys.
        m0: keys of a tile, the rows of the array.
        p1: tiles of queries that share their keys and values.
        p0: queries of a tile, the columns of the array.

    Returns:
        the cascade over P = p1·p0 queries and M = m1·m0 keys.
    """
    return parse_cascade(_ATTENTION.format(e=e, f=f, m1=m1, m0=m0, p=p1 * p0), where="FuseMax Cascade 5")
