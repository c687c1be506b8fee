"""What a training step costs when activations are swapped to the host and recomputed, after MEMO.

(SIGMOD 2025, arXiv 2407.12117.) The paper's model of a GPT, its closed form for the swapped fraction, a
discrete-event simulator of three streams and two rounding buffers with a checker of hazards, and PyTorch's
caching allocator.
"""

from .closed_form import Alpha, LayerCost, best_alpha
from .gpt import GPTS, Gpt

__all__ = ["GPTS", "Alpha", "Gpt", "LayerCost", "best_alpha"]
