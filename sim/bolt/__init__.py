"""BOLT's oblivious map in software: a plain model, an engine in C held to it, what adversaries see of them.

Guo et al., "BOLT: Bandwidth-Optimized Lightning-Fast Oblivious Map powered by Secure HBM Accelerators",
arXiv 2509.01742. Only its abstract and its artifact were available: the algorithm is a reconstruction.
"""

from .batches import Answers
from .config import BoltConfig, Op
from .keys import Keys
from .memory import HostMemory, Trace
from .model import BoltMap
from .native import NativeMap
from .packet import Response, Status
from .session import Session
from .start import Records

__all__ = [
    "Answers",
    "BoltConfig",
    "BoltMap",
    "HostMemory",
    "Keys",
    "NativeMap",
    "Op",
    "Records",
    "Response",
    "Session",
    "Status",
    "Trace",
]
