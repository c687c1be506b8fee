"""A sentence through MiniLM with its words looked up by the simulated accelerator, beside the CPU's map.

Usage: python benchmarks/oblivious_minilm.py [--length 32] [-o reproduce/stored/oblivious_minilm.json]

Compiles the real weights once with plain look-ups, once with the map in software, once for ``bolt-u55c``,
runs one sentence through all three and compares every output bit for bit. The RTL takes some minutes:
building it, booting 213,654 records, 7 accesses a token.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import penstock
from penstock.blocks import sentences
from penstock.frontend.zoo.minilm import tokenize
from penstock.sim.rtl.bolt_result import LookupResult

MODEL = "zoo:minilm-l6"


def measure(folder: Path, length: int) -> dict[str, Any]:
    """One line of figures, all comparisons made."""
    shapes = {"s": [length]}
    plain = penstock.compile(MODEL, shapes=shapes, out=folder / "plain")
    private = penstock.compile(MODEL, shapes=shapes, private="input_ids", out=folder / "private")
    card = penstock.compile(
        MODEL, shapes=shapes, private="input_ids", target="bolt-u55c", out=folder / "card"
    )
    inputs = tokenize(sentences()[:1], length)
    wanted = plain.run(inputs)
    same = all(private.run(inputs)[name].tobytes() == array.tobytes() for name, array in wanted.items())
    simulated = card.simulate()
    assert isinstance(simulated, LookupResult)
    return {
        "model": MODEL,
        "length": length,
        "tokens": int(inputs["attention_mask"].sum()),
        "software_bit_exact": same,
        "rtl": simulated.to_json(),
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--length", type=int, default=32, help="tokens of the entry (default 32)")
    parser.add_argument("-o", "--out", type=Path, help="write the figures here")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        found = measure(Path(place), args.length)
    text = json.dumps(found, indent=1)
    print(text)
    if args.out:
        args.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
