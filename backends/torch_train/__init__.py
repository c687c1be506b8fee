"""Training in PyTorch by a swap plan: activations swapped to the host by tokens, the rest recomputed."""

from .memo import Memo, Sizes

__all__ = ["Memo", "Sizes"]
