"""The emulated machine refuses what a real one would get wrong: faults put into right kernels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from penstock.backends.cuda.emulate import EmulationError, emulate
from penstock.backends.cuda.kernel import Buffer, Kernel
from penstock.backends.cuda.kernels.hopper_streamed import stream_hopper
from penstock.backends.cuda.kernels.sync_streamed import stream_sync
from penstock.ir.errors import InputError

from .kernels.attended import Case, lower, tensors
from .kernels.modules import Sdpa

SOURCE = """
#include "element.cuh"
extern "C" __global__ void swap(const float* __restrict__ x, bf16* __restrict__ y) {
  extern __shared__ __align__(16) float tile[];
  const int k = blockIdx.x * blockDim.x + threadIdx.x;
  tile[threadIdx.x] = k < 100 ? x[k] : 0.0f;
  __syncthreads();
  if (k < 100) y[k] = Narrow<bf16>::of(tile[threadIdx.x ^ 32]);
}
"""


def swap(old: str = "", new: str = "") -> Kernel:
    assert old in SOURCE
    arguments = (Buffer("x", "f32", (100,)), Buffer("y", "bf16", (100,), role="out"))
    return Kernel("swap", SOURCE.replace(old, new), "sm_80", (2, 1, 1), (64, 1, 1), 256, arguments)


X = np.arange(100, dtype=np.float32)


def test_a_kernel_runs() -> None:
    found = emulate(swap(), {"x": X})["y"].astype(np.uint32) << 16
    other = [k ^ 32 for k in range(100)]
    wanted = [float(k) if k < 100 else 0.0 for k in other]
    np.testing.assert_array_equal(found.view(np.float32), wanted)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("__syncthreads();", "", "nothing was written|no barrier between"),
        ("(k < 100) y", "(k < 101) y", "byte 200 of y, which has 200"),
        ("(k < 100) y", "(k < 99) y", "byte 198 of y was never written"),
        ("y[k] =", "y[k % 64] =", "block 1 writes what block 0 wrote"),
        ("__syncthreads();", "if (k < 90) __syncthreads();", "deadlock|barrier|nothing was written"),
        ("tile[threadIdx.x] =", "tile[threadIdx.x + 1] =", "dynamic shared memory, which has 256"),
        ("tile[threadIdx.x] =", "((float*)((char*)tile + 2))[threadIdx.x] =", "no multiple of it"),
        ("tile[threadIdx.x] =", "const_cast<float*>(x)[k % 100] =", "read only"),
    ],
)
def test_a_fault_in_a_small_kernel_is_found(old: str, new: str, said: str) -> None:
    with pytest.raises(EmulationError, match=said):
        emulate(swap(old, new), {"x": X})


def test_an_array_of_another_shape_is_refused() -> None:
    with pytest.raises(InputError, match="float32"):
        emulate(swap(), {"x": X[:50]})


@pytest.fixture(scope="module")
def case() -> Case:
    return lower(Sdpa(), tensors((1, 1, 64, 64), (1, 1, 400, 64)))


BEHIND_VALUES = "wgmma_wait<0>();\n      hold(sums);\n      give_back(at.values_free(before));"


def broken(case: Case, emit: object, old: str, new: str) -> None:
    def altered(group: object, name: str) -> object:
        *first, last = emit(group, name)  # type: ignore[operator]
        assert old in last.kernel.source, old
        kernel = replace(last.kernel, source=last.kernel.source.replace(old, new))
        return (*first, replace(last, kernel=kernel))

    case.emulated(altered)  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("    __syncthreads();  // keys", "    // keys", "race|nothing was written"),
        ("    __syncthreads();  // values", "    // values", "race|nothing was written"),
        (
            "    wait_copies<0>();\n    __syncthreads();  // keys",
            "    __syncthreads();  // keys",
            "on its way",
        ),
        ("row < present", "true", "outside every tensor"),
    ],
)
def test_a_fault_in_the_generic_kernel_is_found(case: Case, old: str, new: str, said: str) -> None:
    with pytest.raises(EmulationError, match=said):
        broken(case, stream_sync, old, new)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        # A stage is given back before the product that reads it has ended.
        (
            "wgmma_wait<1>();\n      hold(scores);\n      give_back",
            "give_back",
            "a product (reads it|adds to them)",
        ),
        # A stage is filled again without waiting for it to be free.
        ("mbarrier_wait(at.keys_free(stage), round_of(count) ^ 1);", "", "race|more arrivals"),
        # Values are multiplied before they have come.
        ("mbarrier_wait(at.values_full(before), round_of(done - 1));", "", "race|on its|nothing was"),
        # The wrong parity.
        ("keys_full(stage), round_of(done)", "keys_full(stage), 0", "race|on its way|deadlock"),
        # Fewer bytes expected than come.
        ("_full(stage), kValueBytes", "_full(stage), kValueBytes / 2", "race|on its|bytes|deadlock"),
        # One consumer never passes its turn.
        ("pass_turn(consumer);\n      wgmma", "if (consumer) pass_turn(consumer);\n      wgmma", "deadlock"),
        # Barriers that TMA was not told of.
        ("    fence_mbarrier_init();\n", "", "no fence since it was made"),
        # More registers than the launch gave.
        ("lower_registers<32>", "lower_registers<40>", "488 registers|hold 520"),
        ("raise_registers<160>", "raise_registers<120>", "up to 120 from 128"),
        # A tile that the swizzle does not begin at.
        ("__shared__ __align__(1024)", "__shared__ __align__(512)", "not aligned"),
        # Registers are written while products still read them, or add to them.
        (
            BEHIND_VALUES,
            f"pack_weights(weights, scores);\n      {BEHIND_VALUES}",
            "a left operand were written",
        ),
        (BEHIND_VALUES, f"rescale(sums, correction);\n      {BEHIND_VALUES}", "sums were written"),
        # Barriers are used before everybody knows them.
        ("mbarrier_init();\n  }\n  __syncthreads();", "mbarrier_init();\n  }", "race|no mbarrier"),
    ],
)
def test_a_fault_in_hoppers_kernel_is_found(case: Case, old: str, new: str, said: str) -> None:
    with pytest.raises(EmulationError, match=said):
        broken(case, stream_hopper, old, new)
