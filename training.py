"""Training PyTorch models by penstock's memory plans: `penstock.memo`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .ir.swap_plan import PLACE, SwapPlan

if TYPE_CHECKING:
    from torch import nn

    from .backends.torch_train import Memo
    from .backends.torch_train.arena import Request

PLANNING_S = 2.0
"""How long the places of one program's transient tensors are looked for once no greedy meets the bound."""


def memo(model: nn.Module, plan: SwapPlan | str | Path, *, slab_folder: str | Path | None = None) -> Memo:
    """Wrap a model so that it trains by a swap plan, with the gradients of plain autograd.

    The model's stack of blocks is found by structure; what the plan says of a layer happens to a block. Call
    the result as the model, with gradients on: one backward belongs to each forward, before the next. Without
    gradients the model runs as it is.

    Args:
        model: whose blocks are GPT's, Llama's or like them: one attention by
            `F.scaled_dot_product_attention`, elsewhere every token alone, nothing random.
        plan: the plan, or the ``plan.json`` that ``penstock plan swap`` wrote.
        slab_folder: on a CPU, a folder where the host's slab is mapped as a file; None for memory of the
            process (pinned, where the model is on a GPU).

    Raises:
        PenstockError: a model, a plan or a pair of them that cannot be taken.
    """
    from .backends.torch_train import Memo

    read = plan if isinstance(plan, SwapPlan) else SwapPlan.read(plan)
    folder = None if slab_folder is None else Path(slab_folder)
    return Memo(model, read, slab_folder=folder, planner=_placed)


def _placed(requests: Sequence[Request]) -> tuple[list[int], int]:
    """Places by the offset planner, which its checker has accepted."""
    from .passes.offsets import Buffer, plan

    buffers = [Buffer(str(at), each.start, each.end, each.bytes, PLACE) for at, each in enumerate(requests)]
    found = plan(buffers, time_limit_s=PLANNING_S)
    return [found.offsets[buffer.name] for buffer in buffers], found.peak_bytes
