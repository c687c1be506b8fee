"""The program's header, ``program.h``: its entry points, for callers in C."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_ASKS = (
    "/* Rows of tables whose numbers nobody may see are asked of a client, given before the first run: it",
    "   writes `count` rows of table number `table` (program.json: lookups) in the order of `index`. */",
    "void penstock_look_up_by(",
    "    void (*client)(int32_t table, int64_t count, const void *index, void *rows));",
)


def write_header(title: str, entries: Mapping[str, Mapping[str, Any]], asks: bool = False) -> str:
    """Declarations for callers in C; `asks`: whether the program asks a client for rows."""
    lines = [
        f"/* {title}: its entry points, for callers in C.",
        "   All pointers on cache lines of 64 bytes. weights: the data of weights.safetensors, which begins",
        "   8 bytes and the header's length (the first 8 bytes, little endian) into the file. arena: as many",
        "   bytes as asked for below, holding anything. Inputs, then states (zeros at first, updated where",
        "   they are), and outputs in the manifest's order.",
        "   Gives 0, or an errno when a thread cannot be started. */",
        "#include <stdint.h>",
    ]
    if asks:
        lines += ["", *_ASKS]
    for entry in entries.values():
        lines += [
            "",
            f"int64_t {entry['arena_bytes']}(int threads);",
            f"int {entry['run']}(const void *const *inputs, void *const *outputs, const void *weights, "
            "void *arena, int threads);",
        ]
    return "\n".join([*lines, ""])
