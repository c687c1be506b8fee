"""A Composition of Experts run on the RTL: what the host of ``sn40l_coe`` saw, prompt by prompt."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...ir.errors import VerifyError
from .run import Progress
from .sn40l_memory import PUBLIC_ARRAYS
from .verilator import build

TOP = "sn40l_coe"
COUNTERS = (
    *("hits", "misses", "evictions", "written_back_bytes", "request_wait_cycles", "copy_errors"),
    *("launches", "busy_cycles", "gap_cycles"),
)
CHANNEL_COUNTERS = ("beats_read", "beats_written", "busy", "stalled", "corrected", "lost")
CHANNELS = 5


@dataclass(frozen=True)
class Prompt:
    """One prompt: its expert, and cycles of the run.

    Attributes:
        expert: whom the router named.
        hit: whether it was near, or on its way.
        error: whether its copy failed; then nobody ran.
        asked, granted: when the host wanted the expert, and had it.
        began, ended: of its run, with the host's commands.
    """

    expert: int
    hit: bool
    error: bool
    asked: int
    granted: int
    began: int
    ended: int


@dataclass(frozen=True)
class Batch:
    """Cycles of a batch: its begin, the end of its router, its end."""

    began: int
    routed: int
    ended: int


@dataclass(frozen=True)
class Copy:
    """A copy that ended: in which cycle, with which code, and the address of its first error."""

    ended: int
    code: int
    address: int


@dataclass(frozen=True)
class Trace:
    """All of a run.

    Attributes:
        prompts, batches, copies: in order.
        results: bytes of each prompt's result.
        parts: what experts wrote, as DDR has it at the end; by expert.
        counters: of the RTL, by name; ``channel 0 beats_read`` and so on for memory.
        cycles: from reset.
    """

    prompts: tuple[Prompt, ...]
    batches: tuple[Batch, ...]
    copies: tuple[Copy, ...]
    results: NDArray[np.float32]
    parts: NDArray[np.float32]
    counters: Mapping[str, int]
    cycles: int


def run(
    sources: Sequence[tuple[str, str]],
    driver: Path,
    parameters: Mapping[str, int],
    job: Sequence[str],
    images: Mapping[str, tuple[int, bytes]],
    prompts: NDArray[np.float32],
    *,
    experts: int,
    progress: Progress | None = None,
) -> Trace:
    """Build the RTL with its host, and serve prompts.

    Args:
        sources: names and texts of the SystemVerilog, packages first.
        driver: the host, a C++ file.
        parameters: of ``sn40l_coe``.
        job: lines for the host; see there.
        images: memory beforehand, name → byte address and content.
        prompts: ``[prompts, tokens, width]``, whole batches.
        experts: how many there are.
        progress: told of each batch.

    Raises:
        VerifyError: the simulation broke off; with the host's words.
        InputError: the sources do not build.
        ToolMissing: no Verilator or compiler.
    """
    with tempfile.TemporaryDirectory(prefix="penstock-coe-") as scratch:
        folder = Path(scratch)
        files = [folder / "public.vlt", *(folder / name for name, _ in sources)]
        for path, text in zip(files, [PUBLIC_ARRAYS, *(text for _, text in sources)], strict=True):
            path.write_text(text, encoding="utf-8")
        flags = tuple(f"-G{name}={value}" for name, value in parameters.items())
        if progress:
            progress("building the model", 0, None)
        model = build(files, TOP, driver, verilator_flags=flags)
        lines = list(job)
        for name, (address, content) in images.items():
            (folder / name).write_bytes(content)
            lines.append(f"image {folder / name} {address}")
        prompts.astype("<f4").tofile(folder / "prompts")
        lines.append(f"prompts {folder / 'prompts'}")
        (folder / "job").write_text("\n".join(lines) + "\n", encoding="utf-8")
        _call(model.executable, folder, progress)
        return _read(folder / "trace", prompts, experts)


def _call(executable: Path, folder: Path, progress: Progress | None) -> None:
    command = [str(executable), str(folder / "job"), str(folder / "trace")]
    with (folder / "said").open("w+", encoding="utf-8") as said:
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=said, text=True, env=os.environ
        ) as process:
            for line in process.stdout or ():
                name, _, number = line.partition(" ")
                if name != "progress":
                    said.write(line)
                elif progress:
                    progress("batches", int(number), None)
        if process.returncode:
            said.seek(0)
            raise VerifyError(
                f"the simulation broke off (status {process.returncode}): {said.read().strip()}"
            )


def _read(path: Path, prompts: NDArray[np.float32], experts: int) -> Trace:
    seen: dict[str, list[list[int]]] = {"prompt": [], "batch": [], "copy": [], "counters": [], "ended": []}
    for line in path.read_text(encoding="utf-8").splitlines():
        name, *numbers = line.split()
        seen[name].append([int(number) for number in numbers])
    data = np.fromfile(path.with_name(path.name + ".bin"), "<f4")
    results = data[: prompts.size].reshape(len(prompts), -1)
    channels = [f"channel {c} {name}" for c in range(CHANNELS) for name in CHANNEL_COUNTERS]
    return Trace(
        tuple(Prompt(n[0], bool(n[1]), bool(n[2]), *n[3:]) for n in seen["prompt"]),
        tuple(Batch(*n) for n in seen["batch"]),
        tuple(Copy(*n) for n in seen["copy"]),
        results,
        data[prompts.size :].reshape(experts, -1),
        dict(zip((*COUNTERS, *channels), seen["counters"][0], strict=True)),
        seen["ended"][0][0],
    )
