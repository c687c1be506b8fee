"""Where tensors live: the arena of a function's frame, and the game of mapping them to a fast memory.

``arena`` is the pass; the other modules play MMG-1, a single-player game after mallocGame (Wang et al.,
arXiv 2305.07440), and are imported where they are used: they need numba.
"""

from .arena import LOWER_BOUND, SOLVER, Place

__all__ = ["LOWER_BOUND", "SOLVER", "Place"]
