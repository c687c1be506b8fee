"""Which kernel carries a streamed cascade out: Hopper's own where it can, else that of every tensor core."""

from __future__ import annotations

from ....ir.errors import PassError
from ....ir.mlir import ir
from ...cpu.kernels.group import read_group
from ..kernel import Arch, Launch
from .hopper_streamed import stream_hopper
from .sync_streamed import stream_sync


def stream(fused: ir.Operation, name: str, arch: Arch) -> tuple[Launch, ...]:
    """Launches for a ``cascade.fused`` of one-pass form.

    Args:
        fused: the group.
        name: of the kernel.
        arch: of the device; on others than ``sm_90a`` the kernel is written for ``sm_80`` and later.

    Raises:
        PassError: the group has another form, or operands the tensor cores do not take.
    """
    if arch == "sm_90a":
        try:
            return stream_hopper(read_group(fused, []), name)
        except PassError:
            pass  # what TMA does not take (an axis that is no rank of its own) the generic kernel may
    return stream_sync(read_group(fused, []), name)
