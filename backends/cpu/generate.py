"""Generation: a prompt through an entry for several tokens, then one token at a time, keys and values kept.

A decoder is known by its entries: states, an input of positions (one for each token, with a bound: what the
states hold), one other input, and outputs token by token. That input is token numbers, and the output logits;
or both are hidden states, of layers without a vocabulary: then each output is the next input.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...ir.errors import InputError
from ...ir.signature import Entry, TensorSpec
from .call import Call
from .loader import Program
from .state import State

Choose = Callable[[np.ndarray], int]


@dataclass(frozen=True)
class Generation:
    """What came out, and how long it took.

    Attributes:
        prompt: tokens read before the first was generated.
        tokens: generated, in order; empty for a model without a vocabulary.
        hidden: the outputs [tokens, width] of a model without a vocabulary, else None.
        prefill_s: seconds of the prompt.
        step_s: seconds of each further token.
    """

    prompt: int
    tokens: tuple[int, ...]
    hidden: np.ndarray | None
    prefill_s: float
    step_s: tuple[float, ...]

    @property
    def tokens_per_s(self) -> float:
        """Of the median step; 0 where there was none."""
        return 1 / float(np.median(self.step_s)) if self.step_s else 0.0


class Decoder:
    """A program as a decoder: positions are counted, states kept.

    Args:
        program: of a model with states.
        threads: as many as the process may use when None.

    Attributes:
        capacity: positions the states hold.
        position: of the next token.
        vocabulary: number of tokens there are, 0 where inputs and outputs are hidden states.

    Raises:
        InputError: the program is no decoder.
    """

    def __init__(self, program: Program, threads: int | None = None) -> None:
        self.tokens, self.positions = _roles(program)
        assert self.positions.below is not None
        self.capacity, self.position = self.positions.below, 0
        (output, *_) = next(iter(program.entries.values())).outputs
        self.vocabulary = output.shape[-1] if self.tokens.dtype.startswith("int") else 0
        self.state: State = program.new_state()
        lengths = {_length(entry): name for name, entry in program.entries.items()}
        self._calls = {n: program.bind(lengths[n], self.state, threads) for n in sorted(lengths)}

    def reset(self) -> None:
        """Begin a sequence. What the states hold stays, and is read no more."""
        self.position = 0

    def feed(self, tokens: np.ndarray) -> np.ndarray:
        """Take tokens [n], or hidden states [n, d], at the next positions; the output for the last one.

        The array given back is overwritten by the next call.

        Raises:
            InputError: there are none, they do not fit the states, or are not in the vocabulary.
        """
        count = len(tokens)
        if not 1 <= count <= self.capacity - self.position:
            raise InputError(
                f"{count} tokens at position {self.position} of {self.capacity}",
                accepted=f"1 to {self.capacity - self.position}",
            )
        if self.vocabulary and (tokens.min() < 0 or tokens.max() >= self.vocabulary):
            raise InputError(
                f"token {tokens[(tokens < 0) | (tokens >= self.vocabulary)][0]}",
                accepted=f"0 to {self.vocabulary - 1}",
            )
        row = np.empty(0)
        while len(tokens):
            length = next((n for n in self._calls if n >= len(tokens)), max(self._calls))
            row = self._part(self._calls[length], tokens[:length])
            tokens = tokens[length:]
        return row

    def _part(self, call: Call, tokens: np.ndarray) -> np.ndarray:
        """What one call takes; positions it is too long for are put nowhere."""
        given, places, count = call.inputs[self.tokens.name], call.inputs[self.positions.name], len(tokens)
        given[0, :count] = tokens
        if count < len(places):
            given[0, count:] = self.tokens.pad
            places[count:] = self.positions.pad
        places[:count] = np.arange(self.position, self.position + count)
        call()
        self.position += count
        return next(iter(call.outputs.values()))[0, count - 1]


def generate(
    decoder: Decoder,
    prompt: np.ndarray,
    count: int,
    *,
    temperature: float = 0.0,
    seed: int = 0,
    progress: Callable[[str, float, float | None], None] | None = None,
) -> Generation:
    """Generate tokens behind a prompt, from the beginning of a sequence.

    Args:
        decoder: its sequence begins anew.
        prompt: tokens [n], or hidden states [n, d].
        count: how many.
        temperature: of the distribution a token is drawn from; 0 takes the likeliest.
        seed: of the draw.
        progress: told of each token.

    Raises:
        InputError: the states do not hold so many positions, or a token is unknown.
    """
    needed = len(prompt) + count - 1  # the last token is not fed
    if needed > decoder.capacity:
        raise InputError(
            f"{len(prompt)} tokens and {count} generated take {needed} positions, the cache has "
            f"{decoder.capacity}",
            accepted="fewer tokens, or a model compiled with a larger cache",
        )
    choose = _chooser(temperature, seed)
    decoder.reset()
    tokens: list[int] = []
    hidden: list[np.ndarray] = []
    seconds: list[float] = []
    following = prompt
    for number in range(count):
        start = time.perf_counter()
        row = decoder.feed(following)
        seconds.append(time.perf_counter() - start)
        if decoder.vocabulary:
            tokens.append(choose(row))
            following = np.array(tokens[-1:])
        else:
            hidden.append(row.copy())
            following = hidden[-1][None]
        if progress is not None:
            progress("generate", number, count)
    states = np.array(hidden) if hidden else None
    return Generation(len(prompt), tuple(tokens), states, seconds[0], tuple(seconds[1:]))


def random_prompt(decoder: Decoder, length: int, seed: int) -> np.ndarray:
    """Tokens [length], or hidden states [length, d], the same for the same seed.

    Raises:
        InputError: the cache does not hold so many.
    """
    if length > decoder.capacity:
        raise InputError(
            f"a prompt of {length} tokens, the cache has {decoder.capacity}",
            accepted="fewer tokens, or a model compiled with a larger cache",
        )
    draw = np.random.default_rng(seed)
    if decoder.vocabulary:
        return draw.integers(decoder.vocabulary, size=length)
    return draw.standard_normal((length, decoder.tokens.shape[-1])).astype(decoder.tokens.dtype)


def _chooser(temperature: float, seed: int) -> Choose:
    if temperature == 0:
        return lambda logits: int(logits.argmax())
    draw = np.random.default_rng(seed)

    def drawn(logits: np.ndarray) -> int:
        scaled = (logits.astype(np.float64) - logits.max()) / temperature
        total = np.cumsum(np.exp(scaled))
        return int(np.searchsorted(total, draw.random() * total[-1], side="right"))

    return drawn


def _length(entry: Entry) -> int:
    return max(entry.extents.values(), default=0)


def _roles(program: Program) -> tuple[TensorSpec, TensorSpec]:
    """The inputs of tokens and of positions."""
    for entry in program.entries.values():
        places = [spec for spec in entry.inputs if spec.below is not None and len(spec.shape) == 1]
        others = [spec for spec in entry.inputs if spec not in places]
        if not entry.states or (len(places), len(others)) != (1, 1) or others[0].shape[0] != 1:
            raise InputError(
                "the bundle is no decoder with a cache: it cannot generate",
                where=str(program.bundle.path),
                accepted="a bundle of such a model, as zoo:llama-tiny,cache=256",
            )
    return others[0], places[0]
