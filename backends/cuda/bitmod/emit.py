"""A product with a BitMoD weight as kernels that read it as it is stored, and what follows it."""

from __future__ import annotations

from ..codegen.group import Group
from ..kernel import Arch, Launch
from .packed import read_packed
from .streaming import streaming
from .tiled import cut_for, tiled


def bitmod_kernels(group: Group, name: str, arch: Arch) -> tuple[Launch, ...] | None:
    """The kernels of a group that is a product with a packed weight, or None where it is none.

    Args:
        group: the group.
        name: of the kernel that multiplies.
        arch: of the device.
    """
    packed = read_packed(group)
    if packed is None:
        return None
    cut = cut_for(packed, arch)
    return (streaming(packed, name),) if cut is None else tiled(packed, cut, name)
