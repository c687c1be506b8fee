"""What the kernels take of a multiprocessor, as NVRTC's assembler reports it: no register is spilled."""

from __future__ import annotations

import pytest
from torch import nn

from penstock.backends.cuda.cubins import compile_source
from penstock.backends.cuda.kernel import ARCHS, Arch, Kernel
from penstock.backends.cuda.kernels.hopper_streamed import SHARED_LIMIT, stream_hopper
from penstock.backends.cuda.kernels.sync_streamed import stream_sync

from .attended import Emit, lower, tensors
from .modules import CappedAlibiWindow, Sdpa

MODULES = {
    "plain": Sdpa(),
    "causal": Sdpa(is_causal=True),
    "own-scores": CappedAlibiWindow(2, 20.0, 512),
}


def kernel_of(module: nn.Module, size: int, emit: Emit, element: str = "bf16", length: int = 500) -> Kernel:
    case = lower(module, tensors((1, 2, length, size), (1, 2, length, size)), element)
    return emit(case.group(), "attention")[-1].kernel


def check(kernel: Kernel, arch: Arch) -> None:
    found = compile_source(kernel.name, kernel.source, arch).resources[kernel.name]
    assert found.spill_bytes == 0, kernel.note
    assert kernel.shared_bytes + found.static_shared_bytes <= SHARED_LIMIT
    warps = -(-kernel.block[0] // 32)
    assert found.registers * warps * 32 <= 65536


@pytest.mark.slow
@pytest.mark.parametrize("arch", ARCHS)
def test_the_generic_kernel_fits_every_architecture(arch: Arch) -> None:
    check(kernel_of(MODULES["own-scores"], 64, stream_sync), arch)


def test_hoppers_kernel_fits() -> None:
    check(kernel_of(MODULES["plain"], 128, stream_hopper), "sm_90a")


@pytest.mark.parametrize("size", [64, 128])
def test_two_tiles_fit_as_many_do(size: int) -> None:
    """Where the compiler knows that a loop has one round, it must not take it apart."""
    check(kernel_of(MODULES["plain"], size, stream_hopper, length=200), "sm_90a")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "size", "element"),
    [("own-scores", 64, "bf16"), ("causal", 128, "f16"), ("own-scores", 128, "bf16"), ("plain", 256, "bf16")],
)
def test_hoppers_kernel_fits_at_every_size(name: str, size: int, element: str) -> None:
    check(kernel_of(MODULES[name], size, stream_hopper, element), "sm_90a")


@pytest.mark.slow
@pytest.mark.parametrize("arch", ["sm_80", "sm_100a"])
def test_the_generic_kernel_fits_at_the_largest_size(arch: Arch) -> None:
    check(kernel_of(MODULES["own-scores"], 256, stream_sync), arch)
