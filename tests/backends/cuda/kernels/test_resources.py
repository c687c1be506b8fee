"""What the kernels take of a multiprocessor, as NVRTC's assembler reports it: no register is spilled."""

from __future__ import annotations

import pytest
from penstock.backends.cuda.kernel import ARCHS, Arch, Kernel
from penstock.backends.cuda.kernels.hopper_streamed import SHARED_LIMIT, stream_hopper
from penstock.backends.cuda.kernels.sync_streamed import stream_sync
from penstock.backends.cuda.nvrtc import compile_source
from torch import nn

from .attended import Emit, lower, tensors
from .modules import CappedAlibiWindow, Sdpa

MODULES = {
    "plain": Sdpa(),
    "causal": Sdpa(is_causal=True),
    "own-scores": CappedAlibiWindow(2, 20.0, 512),
}


def kernel_of(module: nn.Module, size: int, emit: Emit, element: str = "bf16") -> Kernel:
    case = lower(module, tensors((1, 2, 500, size), (1, 2, 500, size)), element)
    return emit(case.group(), "attention")[-1].kernel


def check(kernel: Kernel, arch: Arch) -> None:
    found = compile_source(kernel.name, kernel.source, arch).resources[kernel.name]
    assert found.spill_bytes == 0, kernel.note
    assert kernel.shared_bytes + found.static_shared_bytes <= SHARED_LIMIT
    warps = -(-kernel.block[0] // 32)
    assert found.registers * warps * 32 <= 65536


@pytest.mark.parametrize("arch", ARCHS)
def test_the_generic_kernel_fits_every_architecture(arch: Arch) -> None:
    check(kernel_of(MODULES["own-scores"], 64, stream_sync), arch)


def test_hoppers_kernel_fits() -> None:
    check(kernel_of(MODULES["plain"], 128, stream_hopper), "sm_90a")


@pytest.mark.slow
@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("size", [64, 128, 256])
@pytest.mark.parametrize("element", ["bf16", "f16"])
def test_every_size_fits(name: str, size: int, element: str) -> None:
    module = MODULES[name]
    check(kernel_of(module, size, stream_hopper, element), "sm_90a")
    for arch in ARCHS:
        check(kernel_of(module, size, stream_sync, element), arch)
