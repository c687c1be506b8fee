"""What cuda-bindings make of the loader's calls: a library in the driver's place says what it got."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("cuda.bindings.driver", reason="penstock[cuda] is not installed")

CALLS = """
import numpy as np
from penstock.backends.cuda.device import Arguments, Device
from penstock.backends.cuda.held import Held
from penstock.backends.cuda.kernel import Buffer, Kernel, Scalar, TensorMap

device = Device()
device.hold("sm_90a", "here")
held = Held(device)
q, x = Buffer("q", "bf16", (2, 3, 400, 64)), Buffer("x", "f32", (4,))
given = (TensorMap("q_map", q, (1, 1, 128, 64), 128), x, Scalar("n", "i32", 7))
kernel = Kernel("attend", "", "sm_90a", (4, 6, 1), (384, 1, 1), 49152, given)
function = held.function(b"\\x7fELF", kernel)
base, stream = held.allocate(1 << 20), held.stream()
arguments = Arguments(device, kernel, {"q": base + 256, "x": base + 512})


def enqueue():
    event = held.event()
    device.call("cuEventRecord", event, stream)
    device.call("cuStreamWaitEvent", stream, event, 0)
    device.launch(function, kernel, arguments, stream)
    device.call("cuMemcpyDtoDAsync", base, base + 64, 32, stream)
    device.call("cuMemsetD8Async", base, 0, 16, stream)


for _ in range(5):  # wherever Python's allocator puts things
    Arguments(device, kernel, {"q": base + 256, "x": base + 512})
graph = held.graph(enqueue, stream)
device.call("cuGraphLaunch", graph, stream)
device.launch(function, kernel, arguments, 0)  # a stream as a number, as torch gives it
data = np.arange(5, 15, dtype=np.uint8)
at = data.__array_interface__["data"][0]
device.call("cuMemcpyHtoDAsync", base + 4, at, data.nbytes, stream)
device.call("cuMemcpyDtoHAsync", at, base + 4, data.nbytes, stream)
device.call("cuStreamSynchronize", stream)
assert (data == 7).all()
marks = [device.call("cuEventCreate", device.api.CUevent_flags.CU_EVENT_DEFAULT)[0] for _ in range(2)]
assert device.call("cuEventElapsedTime", *marks)[0] == 0.25
device.call("cuEventSynchronize", marks[0])
held.pinned(64)
held.release()
"""

# As cuda.h numbers them: bf16 is type 9, the swizzle 3, promotion 3; dynamic shared memory's attribute 8.
# A `!` is an address that is not on 64 bytes.
MAP = "map type 9 at 7f0000000100: 64 400 3 2 /128 /51200 /153600 [64] [128] [1] [1] x1 x1 x1 x1 0 3 3 0"
SAID = f"""\
init 0
module ELF
function attend of 1020
attribute 1030 8 49152
alloc 1048576
stream 1
{MAP}
{MAP}
{MAP}
{MAP}
{MAP}
{MAP}
capture 1040 1
event 2
record 1050 1040
wait 1040 1050 0
launch 1030 4 6 1 384 1 1 shared 49152 on 1040: abc0 7f0000000200 7
copy 7f0000000000 7f0000000040 32 on 1040
clear 7f0000000000 0 16 on 1040
captured 1040
instantiate 1060 0
no graph 1060
run 1070 on 1040
launch 1030 4 6 1 384 1 1 shared 49152 on 0: abc0 7f0000000200 7
upload 7f0000000004 10 of 5 on 1040
download 7f0000000004 10 on 1040
synchronize 1040
event 0
event 0
event over 1080
no executable graph 1070
no event 1050
no stream 1040
free 7f0000000000
unload 1020
"""


def test_arguments_arrive_as_the_drivers_functions_declare_them(tmp_path: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("no C compiler for a library in the driver's place")
    source = Path(__file__).with_name("libcuda.c")
    library = tmp_path / "libcuda.so.1"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True)
    folders = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("LD_LIBRARY_PATH"))))
    settings = {**os.environ, "LD_LIBRARY_PATH": folders}
    done = subprocess.run(
        [sys.executable, "-c", CALLS], capture_output=True, text=True, env=settings, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == SAID
