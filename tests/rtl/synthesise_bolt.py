"""Gate counts of BOLT's cryptographic units, as synthesise.py makes them for BitMoD.

    python tests/rtl/synthesise_bolt.py

Registers are counted apart; buffers of bolt_aead are not in it (they are memories).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

from synthesise import Block, run

from penstock import rtl
from penstock.ir.errors import PenstockError
from penstock.progress import bar

BLOCKS = (
    Block("bolt_siphash", "bolt_siphash"),
    Block("bolt_ghash, 16 bits a cycle", "bolt_ghash", {"Digit": 16}),
    Block("bolt_ghash, 64 bits a cycle", "bolt_ghash", {"Digit": 64}),
    Block("bolt_aes, 1 round unit", "bolt_aes", {"Units": 1}),
    Block("bolt_aes, 5 round units", "bolt_aes", {"Units": 5}),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="sizes as JSON")
    options = parser.parse_args(arguments)
    try:
        with bar() as progress:
            sizes = run(BLOCKS, rtl.sources("common", "bolt"), progress)
    except PenstockError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps({name: asdict(size) for name, size in sizes.items()}))
        return 0
    for name, size in sizes.items():
        gates, registers = f"{size.gates:8,} gates", f"{size.flip_flops:6,} flip-flops"
        print(f"{name:30} {gates}, {size.logic:9,} transistors, {registers}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
