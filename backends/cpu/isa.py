"""Instruction sets a kernel can be generated for: vector width, registers, and LLVM's names for them.

``avx512bf16`` (AVX-512 with its bf16 instructions), ``avx512`` and ``avx2`` are chosen by detection;
``portable`` is 128-bit code for any x86-64.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import prod

from ...ir.errors import TargetError
from ...ir.targets.description import Target
from ...ir.targets.host import detect
from .blocking import Blocking


@dataclass(frozen=True)
class Isa:
    """A vector instruction set.

    Attributes:
        name: as in bundles and options.
        bits: width of a vector register.
        registers: vector registers the micro-kernel may count on.
        cpu: LLVM's processor name.
        features: LLVM's feature string on top of it.
        l2_bytes: a core's second-level cache, which tiles and stretches of the depth are made for.
        blocking: how the contractions of the kernel at hand are cut.
        bf16: whether it multiplies bf16 in pairs (``vdpbf16ps``) and rounds to it (``vcvtneps2bf16``).
    """

    name: str
    bits: int
    registers: int
    cpu: str
    features: str
    bf16: bool = False
    l2_bytes: int = 1 << 20
    blocking: Blocking = field(default_factory=Blocking)

    def lanes(self, element_bits: int) -> int:
        """Elements of that size in a vector register."""
        return self.bits // element_bits


_AVX512 = "+avx512f,+avx512bw,+avx512dq,+avx512vl,+fma,-prefer-256-bit"

ISAS: dict[str, Isa] = {
    isa.name: isa
    for isa in (
        Isa("avx512bf16", 512, 32, "x86-64-v4", f"{_AVX512},+avx512bf16", bf16=True),
        Isa("avx512", 512, 32, "x86-64-v4", _AVX512),
        Isa("avx2", 256, 16, "x86-64-v3", "+avx2,+fma"),
        Isa("portable", 128, 16, "x86-64", "+sse2"),
    )
}


def isa_named(name: str) -> Isa:
    """The instruction set of that name.

    Raises:
        TargetError: there is none.
    """
    if name not in ISAS:
        raise TargetError(f"unknown instruction set '{name}'", accepted=", ".join(ISAS))
    return ISAS[name]


def host_isa() -> Isa:
    """The widest instruction set this machine runs."""
    return ISAS[detect().isa]


def isa_for(target: Target) -> Isa:
    """The widest instruction set this machine runs, code being blocked for the target's caches."""
    isa = host_isa()
    shared = {tier.name: tier.capacity_bytes for tier in target.tier}.get("l2")
    cores = max((prod(unit.shape) for unit in target.unit), default=1)
    return replace(isa, l2_bytes=int(shared) // cores) if shared else isa
