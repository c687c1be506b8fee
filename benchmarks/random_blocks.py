"""Transformer blocks of random weights, which benchmarks of the SN40L-style fabric run."""

from __future__ import annotations

import torch

from penstock.blocks import Block, Recorded, recognise
from penstock.frontend.zoo.bert import BertConfig, BertLayer


def random_block(tokens: int, width: int, heads: int, inner: int, tiles: int, seed: int = 0) -> Block:
    """A random BERT layer, on random inputs with padding."""
    torch.manual_seed(seed)
    config = BertConfig(layers=1, width=width, heads=heads, inner=inner, head="hidden")
    mask = torch.ones(tiles, 1, 1, tokens, dtype=torch.bool)
    for tile in range(tiles):
        mask[tile, ..., tokens - tile % tokens :] = False
    inputs = {"x": torch.randn(tiles, tokens, width), "mask": mask}
    return recognise(Recorded("block", BertLayer(config).eval(), inputs))
