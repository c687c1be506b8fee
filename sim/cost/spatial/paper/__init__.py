"""FuseMax's own model of attention on spatial arrays: its closed forms, its assumptions, its oddities.

*Paper mode* computes what Nayak et al. (MICRO 2024) and their artifact computed, so that their figures can be
checked: no fill or drain, no limit between array and buffer, compute and DRAM overlapped without loss.
`quirks` lists where the artifact departs from its own intent. What the hardware would do is the business of
the physical model beside this package.
"""

from .area import Area, area_um2
from .chip import Chip, chip
from .energy import Counts, energy_j
from .figures import CONFIGURATIONS, EINSUMS_2D, Figures, attention, chip_of, end_to_end
from .linear import linear
from .one_pass import architecture, binding, cascade, queries_per_tile
from .quirks import QUIRKS, Quirk
from .scaling import SIDES, Design, design
from .three_pass import flat, unfused
from .workload import MODELS, SEQUENCES, Workload, linear_share, workload

__all__ = [
    "CONFIGURATIONS",
    "EINSUMS_2D",
    "MODELS",
    "QUIRKS",
    "SEQUENCES",
    "SIDES",
    "Area",
    "Chip",
    "Counts",
    "Design",
    "Figures",
    "Quirk",
    "Workload",
    "architecture",
    "area_um2",
    "attention",
    "binding",
    "cascade",
    "chip",
    "chip_of",
    "design",
    "end_to_end",
    "energy_j",
    "flat",
    "linear",
    "linear_share",
    "queries_per_tile",
    "unfused",
    "workload",
]
