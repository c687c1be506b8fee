"""The host program around an emulated kernel: its tensors, tensor maps and launch, as C++ text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from ....ir.dtypes import BY_MLIR
from ....ir.errors import PassError
from ..kernel import Argument, Buffer, Kernel, Scalar, TensorMap, row_major

_DYNAMIC = re.compile(r"extern\s+__shared__\s+([^;]*?)(\w+)\s*\[\s*\]\s*;")
_ALIGNED = re.compile(r"(?:__align__|alignas)\((\d+)\)")
_UNSAID = 16
"""Bytes on which shared memory lies whose declaration says nothing."""
_C = {"bf16": "bf16", "f16": "f16", "i1": "bool", "i64": "long long"}


def role(tensor: Buffer) -> Literal["in", "out", "update", "scratch"]:
    """What the machine makes of a tensor; one that starts as zeros is updated."""
    return "update" if tensor.role == "zeroed" else tensor.role


def host_text(kernel: Kernel) -> str:
    """The kernel's source and a ``main`` that launches it: ``program FOLDER SEED``.

    Raises:
        PassError: a tensor with holes is written.
    """
    lines = [
        "int main(int, char** argv) {",
        "  const std::string folder = argv[1];",
    ]
    for tensor in kernel.tensors():
        if role(tensor) == "out" and tensor.strides != row_major(tensor.shape):
            raise PassError("a tensor with gaps cannot be an output", where=f"{kernel.name}, {tensor.name}")
        path = f'(folder + "/{tensor.name}").c_str()'
        made = f'emulator::tensor("{tensor.name}", {path}, {tensor.bytes}, emulator::Role::{role(tensor)})'
        lines.append(f"  void* const {tensor.name}_data = {made};")
    lines += [line for argument in kernel.arguments for line in _declared(argument)]
    names = ", ".join(_passed(argument) for argument in kernel.arguments)
    dims = (", ".join(map(str, dim)) for dim in (kernel.grid, kernel.block))
    grid, block = dims
    launch = f"{{{{{grid}}}, {{{block}}}, {kernel.shared_bytes}, unsigned(std::atoi(argv[2]))}}"
    lines += [
        f"  auto body = [&] {{ {kernel.name}({names}); }};",
        "  using Body = decltype(body);",
        f"  const emulator::Launch launch{launch};",
        "  emulator::run(launch, [](void* all) { (*static_cast<Body*>(all))(); }, &body);",
        "  return emulator::finish();",
        "}",
    ]
    start = '#include "emulator.h"\n#include <cstdlib>\n#include <string>\n'
    return "\n".join([start, _as_cpp(kernel.source), *lines, ""])


def _as_cpp(source: str) -> str:
    """Shared memory declared as C++ can: one array of the machine, and statics in its section."""

    def dynamic(match: re.Match[str]) -> str:
        kind, said = _ALIGNED.sub("", match[1]).strip(), _ALIGNED.search(match[1])
        place = f"emulator::dynamic_shared({said[1] if said else _UNSAID})"
        return f"{kind}* const {match[2]} = reinterpret_cast<{kind}*>({place});"

    text = _DYNAMIC.sub(dynamic, source)
    return text.replace("__shared__", 'static __attribute__((section("shared_memory")))')


def _declared(argument: Argument) -> Iterator[str]:
    if not isinstance(argument, TensorMap):
        return
    tensor, size = argument.tensor, BY_MLIR[argument.tensor.dtype].size
    extents, box = (", ".join(map(str, reversed(each))) for each in (tensor.shape, argument.box))
    strides = ", ".join(str(stride * size) for stride in reversed(tensor.strides))
    yield f"  const CUtensorMap {argument.name}_given{{static_cast<char*>({tensor.name}_data),"
    yield f"      {len(tensor.shape)}, {size}, {argument.swizzle}, {{{extents}}}, {{{strides}}}, {{{box}}}}};"


def _passed(argument: Argument) -> str:
    if isinstance(argument, Scalar):
        value = argument.value if argument.dtype.startswith("f") else int(argument.value)
        return f"{BY_MLIR[argument.dtype].c}({value})"
    if isinstance(argument, TensorMap):
        return f"{argument.name}_given"
    kind = _C.get(argument.dtype, BY_MLIR[argument.dtype].c)
    return f"reinterpret_cast<{kind}*>({argument.name}_data)"
