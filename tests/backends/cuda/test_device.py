"""Launches and tensor maps by hand, against the driver that checks them."""

from __future__ import annotations

import pytest

from penstock.backends.cuda.device import Arguments, Device, DeviceError
from penstock.backends.cuda.held import Held
from penstock.backends.cuda.kernel import Buffer, Kernel, TensorMap

from .fake_driver import FakeDriver, Misuse, declared_bytes

X = Buffer("x", "bf16", (64, 64))


def launch(kernel: Kernel, offset: int = 0) -> FakeDriver:
    driver = FakeDriver({kernel.name: kernel})
    device = Device(driver)
    held = Held(device)
    function = held.function(b"\x7fELF", kernel)
    base, stream = held.allocate(1 << 16), held.stream()
    device.launch(function, kernel, Arguments(device, kernel, {"x": base + offset}), stream)
    return driver


def test_declared_shared_memory_counts_towards_what_needs_no_word() -> None:
    source = "extern __shared__ u8 all[];\n__shared__ float partial_float[8];"
    assert declared_bytes(source) == 32
    kernel = Kernel("k", source, "sm_80", (1, 1, 1), (32, 1, 1), 48 * 1024, (X,))
    driver = launch(kernel)
    assert 48 * 1024 in driver.shared.values()
    driver.shared.clear()
    (function,) = driver.functions
    with pytest.raises(Misuse, match="without having said so"):
        driver.cuLaunchKernel(function, *kernel.grid, *kernel.block, kernel.shared_bytes, 0, 0, 0)


def test_a_tensor_map_that_the_driver_refuses_is_an_error() -> None:
    given = (TensorMap("x_map", X, (64, 64), 128),)
    kernel = Kernel("k", "", "sm_90a", (1, 1, 1), (128, 1, 1), 1024, given)
    assert [each.dims for each in launch(kernel).maps.values()] == [[64, 64]]
    with pytest.raises(DeviceError, match="made up"):
        launch(kernel, offset=8)
