"""Cost of a section: operators as the stages of a coarse pipeline, fed tile by tile (SN40L, section III-A).

Compute units (PCUs) are given to operators, memory units (PMUs) to the buffers between them and to what is
held on the chip, and streams to what crosses the section's border. With n tiles, the slowest sets the pace,

    seconds = launch + held bytes / bandwidth + (n + fill) · slowest stage,

where `fill` counts the tiles until the last operator starts, and the store of its results: loads and stores
are stages too. The paper gives the shape of this (PCUs follow the share of operations, PMUs are enough for
capacity and bandwidth), not its figures.
"""

from .borders import Edge, off_chip_bytes
from .fabric import Fabric
from .graph import Graph, How, Operator, Use
from .pace import needed, pace
from .section import Pricer, Section, TooLarge

__all__ = [
    "Edge",
    "Fabric",
    "Graph",
    "How",
    "Operator",
    "Pricer",
    "Section",
    "TooLarge",
    "Use",
    "needed",
    "off_chip_bytes",
    "pace",
]
