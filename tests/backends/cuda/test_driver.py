"""A driver older than the compiler: the doctor says so, and so does what cannot load a cubin."""

from __future__ import annotations

import ctypes
import ctypes.util
from types import SimpleNamespace

import pytest

from penstock import doctor
from penstock.backends.cuda.device import Device, DeviceError
from penstock.backends.cuda.kernel import Kernel

from .fake_driver import FakeDriver


def installed(monkeypatch: pytest.MonkeyPatch, version: int, status: int = 0) -> None:
    def get(to: object) -> int:
        ctypes.cast(to, ctypes.POINTER(ctypes.c_int))[0] = version  # pyright: ignore[reportArgumentType]
        return status

    monkeypatch.setattr(ctypes.util, "find_library", lambda name: "libcuda.so.1")
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace(cuDriverGetVersion=get))


def test_the_doctor_says_which_driver_cubins_want(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, 12040)
    old = doctor.nvidia_driver()
    assert old.found is None
    assert "libcuda.so.1 is for CUDA 12.4" in old.fix
    assert "580" in old.fix
    assert "--nvcc" in old.fix
    assert old.ok, "CPU code needs no driver"
    installed(monkeypatch, 13000)
    assert doctor.nvidia_driver().found == "libcuda.so.1, CUDA 13.0"
    installed(monkeypatch, 0, status=34)  # a stub library
    assert doctor.nvidia_driver().found == "libcuda.so.1, which says no version"
    monkeypatch.setattr(ctypes.util, "find_library", lambda name: None)
    assert "a machine with an NVIDIA GPU" in doctor.nvidia_driver().fix


@pytest.mark.parametrize("status", [200, 209, 222])
def test_a_cubin_that_the_driver_does_not_know_says_what_is_wanted(status: int) -> None:
    class Old(FakeDriver):
        def cuModuleLoadData(self, image: bytes) -> tuple[int, int]:
            return status, 0

        def cuDriverGetVersion(self) -> tuple[int, int]:
            return 0, 12040

    device = Device(Old({}))
    kernel = Kernel("k", "", "sm_80", (1, 1, 1), (32, 1, 1), 0, ())
    with pytest.raises(DeviceError, match=r"k: .*this driver is for CUDA 12\.4.*branch 580.*--nvcc"):
        device.function(b"\x7fELF", kernel)
