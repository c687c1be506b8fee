"""The legal rewritings of a cascade, and a search over them (FuseMax §III-C, §IV-D and §IV-E).

`legal_rewrites` lists what may be done to a cascade of Einsums, each with the passes and the footprint it
gives. `search` follows them to the fewest passes, then the least traffic, then the least work.
"""

from .candidate import Candidate
from .legal import legal_rewrites
from .search import Option, Search, search

__all__ = ["Candidate", "Option", "Search", "legal_rewrites", "search"]
