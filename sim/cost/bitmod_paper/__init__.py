"""BitMoD's own cost model of LLM inference on FP16, ANT, OliVe and BitMoD accelerators, and it corrected.

The authors' simulator (Chen et al., HPCA 2025, sections V-A and V-C) counts, for every matrix product, tiles
of the array and bytes of DRAM, takes the larger time, and adds layers up. `PUBLISHED` are its rules as they
were when figures 7 and 8 were drawn, `CORRECTED` the same without what it has wrong; `QUIRKS` lists the
differences.
Any matrix products can be priced, those of a compiled module included (`cost_module`).
"""

from .design import Design, Precision, design, design_of, precision_of
from .figures import DESIGNS, GENERATED_TOKENS, SETTINGS, energy_ratio, figure, precision, speedup, task
from .llm import CONTEXT, LLMS, Llm, llm, matmuls
from .matmul import Matmul
from .module import cost_entries, cost_module, matmuls_of
from .price import Cost, price, price_all
from .quirks import QUIRKS, Quirk
from .rules import CORRECTED, PUBLISHED, Rules
from .sram import PORTS, Port, port

__all__ = [
    "CONTEXT",
    "CORRECTED",
    "DESIGNS",
    "GENERATED_TOKENS",
    "LLMS",
    "PORTS",
    "PUBLISHED",
    "QUIRKS",
    "SETTINGS",
    "Cost",
    "Design",
    "Llm",
    "Matmul",
    "Port",
    "Precision",
    "Quirk",
    "Rules",
    "cost_entries",
    "cost_module",
    "design",
    "design_of",
    "energy_ratio",
    "figure",
    "llm",
    "matmuls",
    "matmuls_of",
    "port",
    "precision",
    "precision_of",
    "price",
    "price_all",
    "speedup",
    "task",
]
