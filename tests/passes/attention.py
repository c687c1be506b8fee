"""Attention written in several ways, as raised modules in text."""

from __future__ import annotations

from .modules import module_text

B, H, E, F = 2, 4, 8, 6


class Script:
    """Lines of a function body, each naming what it computes."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.types: dict[str, str] = {}

    def einsum(self, name: str, expr: str, operands: str, kind: str, node: str = "") -> None:
        read = [each for each in operands.split(",") if each]
        types = ", ".join(f"tensor<{self.types[each]}>" for each in read)
        values = ", ".join(f"%{each}" for each in read)
        told = f', penstock.node = "{node}"' if node else ""
        text = f'"cascade.einsum"({values}) {{expr = "{expr}"{told}}} : ({types}) -> tensor<{kind}>'
        self.lines.append(f"%{name} = {text}")
        self.types[name] = kind


def attention(way: str, queries: int, keys: int, mask: str = "", left: bool = True) -> str:
    """A module that attends.

    Args:
        way: ``sdpa`` (absent points give 0), ``explicit`` or ``late`` (the division after the product).
        queries: extent of p.
        keys: extent of m.
        mask: ``""``, ``additive``, ``boolean``, ``causal``, ``alibi`` or ``softcap``.
        left: whether a fully masked row gives 0; only for ``sdpa``.
    """
    left = left and way == "sdpa"
    script = Script()
    arguments = {
        "q": f"{B}x{H}x{queries}x{E}xf64",
        "k": f"{B}x{H}x{keys}x{E}xf64",
        "v": f"{B}x{H}x{keys}x{F}xf64",
        "mask": f"{B}x1x{queries}x{keys}x{'i1' if mask == 'boolean' else 'f64'}",
    }
    script.types |= arguments
    scores, rows = f"{B}x{H}x{queries}x{keys}xf64", f"{B}x{H}x{queries}xf64"
    script.einsum("qk", "QK[b,h,p,m] = sum[e] mul(Q[b,h,p,e], K[b,h,m,e])", "q,k", scores)
    script.einsum("s0", "QKS[b,h,p,m] = mul(QK[b,h,p,m], 0.35)", "qk", scores)
    _mask(script, mask, queries, keys, scores)
    suffix = "_left" if left else ""
    script.einsum("gm", "GM[b,h,p] = max[m] S[b,h,p,m]", "s", rows)
    script.einsum("sn", f"SN[b,h,p,m] = exp_sub{suffix}(S[b,h,p,m], GM[b,h,p])", "s,gm", scores)
    script.einsum("sd", "SD[b,h,p] = sum[m] SN[b,h,p,m]", "sn", rows)
    out = f"{B}x{H}x{queries}x{F}xf64"
    if way == "late":
        script.einsum("n", "N[b,h,p,f] = sum[m] mul(SN[b,h,p,m], V[b,h,m,f])", "sn,v", out)
        script.einsum("av", "AV[b,h,p,f] = div(N[b,h,p,f], SD[b,h,p])", "n,sd", out, "out")
    else:
        script.einsum("a", f"A[b,h,p,m] = div{suffix}(SN[b,h,p,m], SD[b,h,p])", "sn,sd", scores)
        script.einsum("av", "AV[b,h,p,f] = sum[m] mul(A[b,h,p,m], V[b,h,m,f])", "a,v", out, "out")
    listed = [f"{name}: {kind}" for name, kind in arguments.items()]
    return module_text(listed, script.lines, f"tensor<{out}>", "%av")


def _mask(script: Script, mask: str, queries: int, keys: int, scores: str) -> None:
    if mask == "additive":
        script.einsum("s", "QKM[b,h,p,m] = add(QKS[b,h,p,m], MASK[b,0,p,m])", "s0,mask", scores)
    elif mask == "boolean":
        script.einsum("s", "QKM[b,h,p,m] = where(MASK[b,0,p,m], QKS[b,h,p,m], -inf)", "mask,s0", scores)
    elif mask == "causal":
        script.einsum("c", "CM[p,m] = le(@m, @p)", "", f"{queries}x{keys}xi1")
        script.einsum("s", "QKM[b,h,p,m] = where(CM[p,m], QKS[b,h,p,m], -inf)", "c,s0", scores)
    elif mask == "alibi":
        script.einsum("d", "D[p,m] = sub(@m, @p)", "", f"{queries}x{keys}xf64")
        script.einsum("b", "BIAS[p,m] = mul(D[p,m], 0.1)", "d", f"{queries}x{keys}xf64")
        script.einsum("s", "QKM[b,h,p,m] = add(QKS[b,h,p,m], BIAS[p,m])", "s0,b", scores)
    elif mask == "softcap":
        script.einsum("t", "T[b,h,p,m] = tanh(QKS[b,h,p,m])", "s0", scores)
        script.einsum("s", "QKM[b,h,p,m] = mul(T[b,h,p,m], 5.0)", "t", scores)
    else:
        script.einsum("s", "QKM[b,h,p,m] = mul(QKS[b,h,p,m], 1.5)", "s0", scores)
