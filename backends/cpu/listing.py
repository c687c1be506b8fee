"""The kernels of a CPU bundle as text: LLVM IR from their MLIR, assembly from the linked library."""

from __future__ import annotations

import shutil
import subprocess

from ...ir.bundle import BundleFiles
from ...ir.errors import BundleError, InputError, ToolMissing
from .kernels.lowering import llvm_ir
from .loader import BACKEND

KERNELS = "cpu/kernels.mlir"


def listing(files: BundleFiles, kind: str) -> str:
    """The kernels as ``llvm`` or ``asm`` text.

    Raises:
        InputError: another kind.
        BundleError: the bundle holds no CPU code, or its library cannot be read.
        ToolMissing: ``asm`` needs objdump.
    """
    facts = files.manifest["backends"].get(BACKEND)
    if facts is None:
        raise BundleError("holds no CPU code", where=str(files.path), accepted="a bundle for the cpu")
    if kind == "llvm":
        return llvm_ir(files.text(KERNELS))
    if kind != "asm":
        raise InputError(f"no listing of kind '{kind}'", accepted="llvm, asm")
    tool = shutil.which("objdump")
    if tool is None:
        raise ToolMissing("objdump is not on PATH", accepted="apt install binutils")
    command = [tool, "-d", "--no-show-raw-insn", "-M", "intel", str(files.file(facts["library"]))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BundleError(done.stderr.strip(), where=facts["library"], accepted="compile again")
    return done.stdout
