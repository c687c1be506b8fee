"""A Composition of Experts whose choice of expert nobody sees: images come out of an oblivious map.

Every prompt fetches a whole image, of whatever expert, into one place and runs the one program on it: no
slots, no copy kept from prompt to prompt. Hidden from who sees the images' memory is which expert
answers, and whether two prompts have the same one. Not hidden: the number of prompts, and what a prompt's
own tokens look up in the router and in the expert, whose tables are read in the open here.
"""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...ir.errors import InputError
from .experts import INPUT, Answer, Composition
from .private_store import Store


class PrivateExperts:
    """An opened composition, its experts' images in a map.

    Args:
        path: a bundle of ``zoo:coe``.
        threads: of a run; as many as the process may use when None.
        page_bytes: the most a page of the map has.

    Raises:
        BundleError: the bundle is missing, corrupt, or no composition.
    """

    def __init__(self, path: str | Path, *, threads: int | None = None, page_bytes: int = 4096) -> None:
        with Composition(path, 1, threads=threads) as opened:
            self.composition = opened
        images = np.stack([np.asarray(image.data) for image in opened.images])
        self.store = Store((opened.count,), opened.image_bytes, images, page_bytes=page_bytes)
        self._place = np.frombuffer(mmap.mmap(-1, opened.image_bytes), np.uint8)

    @property
    def accesses_of_a_prompt(self) -> int:
        """Of the map, whoever answers."""
        return self.store.layout.chunks

    def run(self, prompts: np.ndarray, experts: Sequence[int] | None = None) -> list[Answer]:
        """Answer prompts [b, s], one after another, by the router's choice or the experts named.

        Raises:
            InputError: prompts of another length or type, or no such expert.
            FaultError: the map stopped.
        """
        named = self.composition.route(prompts) if experts is None else list(experts)
        if len(named) != len(prompts):
            raise InputError(f"{len(named)} experts", accepted=f"{len(prompts)}, one for each prompt")
        answers = []
        for prompt, expert in zip(prompts, named, strict=True):
            np.copyto(self._place, self.store.get(np.array([[expert]]))[0])
            found = self.composition.program.run(
                {INPUT: prompt[None]}, threads=self.composition.threads, weights=self._place.ctypes.data
            )
            (logits,) = found.values()
            answers.append(Answer(expert, logits))
        return answers
