"""A model of the zoo, built: the module, the names and shapes around it, and inputs to try it with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from ...ir.errors import InputError
from .bert import Bert, BertConfig
from .gpt2 import Gpt2, Gpt2Config
from .initialise import initialise
from .llama import LLAMA_7B, LLAMA_TINY, Llama, LlamaConfig, LlamaLayers
from .minilm import load_weights
from .mlp import Mlp
from .resnet import ResNet50
from .spec import parse_spec
from .table import OptionValue, ZooEntry
from .vit import Vit, VitConfig

Options = Mapping[str, OptionValue]
PROMPT = 64  # tokens of a prompt that a model with a cache takes in one call


@dataclass(frozen=True)
class InputSpec:
    """One input: its kind and its shape without the batch; ``None`` in the shape is the sequence length.

    Attributes:
        kind: ``tokens`` (below `vocabulary`), ``mask`` (1 for a real token, 0 for padding), ``values``, or
            ``positions`` (of the tokens in the sequence, the same for every row: no batch axis).
        shape: sizes after the batch axis.
        vocabulary: number of tokens there are, for tokens.
    """

    kind: str
    shape: tuple[int | None, ...]
    vocabulary: int = 0


@dataclass(frozen=True)
class ZooModel:
    """A built model, ready for torch.export.

    Attributes:
        entry: its row of the table.
        options: every option, as it was built.
        module: in inference mode, without gradients; takes the inputs in the order of `input_names`.
        inputs: what each input is, by name.
        positions_axis: of each output, in order, the axis that runs over the sequence, None if none does:
            where a padded result is cut.
    """

    entry: ZooEntry
    options: Options
    module: nn.Module
    inputs: Mapping[str, InputSpec]
    positions_axis: Mapping[str, int | None]

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of the inputs, in the order of the module's arguments."""
        return tuple(self.inputs)

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the outputs, in the order the module returns them."""
        return tuple(self.positions_axis)

    @property
    def padding(self) -> Mapping[str, int] | None:
        """Value that fills each sequence input beyond the real tokens; None where there is no sequence."""
        if self.entry.padding is None:
            return None
        return {**self.entry.padding, **dict.fromkeys(self._positions, -1)}  # put nowhere in the cache

    @property
    def lengths(self) -> tuple[int, ...]:
        """Lengths (tokens) it is compiled for when nothing else is asked; with a cache also one."""
        cache = self.cache
        return tuple(sorted({1, min(PROMPT, cache)})) if cache else self.entry.lengths

    @property
    def cache(self) -> int:
        """Positions whose keys and values are kept, 0 where calls know nothing of each other."""
        return _number(self.options, "cache") if "cache" in self.options else 0

    @property
    def _positions(self) -> tuple[str, ...]:
        return tuple(name for name, spec in self.inputs.items() if spec.kind == "positions")

    def example_inputs(
        self,
        length: int | None = None,
        batch: int = 1,
        seed: int = 0,
        *,
        valid_lengths: Sequence[int] | None = None,
    ) -> dict[str, Tensor]:
        """Random inputs, the same for the same arguments.

        Args:
            length: tokens per row; None for the entry's first length. Only for models with a sequence.
            batch: rows.
            seed: of the values.
            valid_lengths: real tokens of each row, the rest is padding; None for full rows.

        Raises:
            InputError: a length or number of rows the model does not take.
        """
        length = self._length(length)
        real = self._valid_lengths(valid_lengths, length, batch)
        generator = torch.Generator().manual_seed(seed)
        made = {name: _example(spec, batch, length, real, generator) for name, spec in self.inputs.items()}
        for name, fill in (self.entry.padding or {}).items():
            for row, count in enumerate(real):
                made[name][row, count:] = fill
        return made

    def _length(self, length: int | None) -> int:
        most = self.cache or self.entry.max_length
        if most is None:
            if length is not None:
                raise InputError(f"{self.entry.name} has no sequence length", accepted="no length")
            return 0
        chosen = self.lengths[0] if length is None else length
        if not 1 <= chosen <= most:
            raise InputError(
                f"length {chosen} does not fit", where=self.entry.name, accepted=f"1 to {most} tokens"
            )
        return chosen

    def _valid_lengths(self, given: Sequence[int] | None, length: int, batch: int) -> tuple[int, ...]:
        if batch < 1:
            raise InputError(f"a batch of {batch} rows", where=self.entry.name, accepted="1 or more")
        if given is None:
            return (length,) * batch
        if self.entry.max_length is None:
            raise InputError(f"{self.entry.name} has no sequence to pad", accepted="no valid_lengths")
        if len(given) != batch or not all(1 <= count <= length for count in given):
            raise InputError(
                f"valid lengths {list(given)} do not fit",
                where=self.entry.name,
                accepted=f"{batch} numbers from 1 to {length}",
            )
        return tuple(given)


def build(spec: str, *, device: torch.device | str | None = None, positions: int | None = None) -> ZooModel:
    """The model a spec names, its weights in place; never downloads.

    Args:
        spec: ``zoo:NAME[,key=value…]``.
        device: where the weights live, the CPU by default; ``meta`` gives shapes without values.
        positions: of a causal model, that a sequence is to have, where the public configuration has fewer.

    Raises:
        InputError: an unknown model, option or value.
        ToolMissing: the package that carries the weights is not installed.
    """
    entry, options = parse_spec(spec)
    place = torch.device(device or "cpu")
    with torch.device("meta"):
        module, inputs, outputs = _BUILDERS[entry.name]({**options, "positions": positions or 0})
    if place.type != "meta":
        _fill_weights(module, entry, options)
        module.to(place)
    module.eval().requires_grad_(False)
    return ZooModel(entry, options, module, inputs, outputs)


def _fill_weights(module: nn.Module, entry: ZooEntry, options: Options) -> None:
    if entry.name == "minilm-l6":
        load_weights(module)
        return
    module.to_empty(device="cpu")
    with torch.no_grad():
        initialise(module, _number(options, "seed"))


def _example(
    spec: InputSpec, batch: int, length: int, real: tuple[int, ...], generator: torch.Generator
) -> Tensor:
    if spec.kind == "positions":
        return torch.arange(length)
    shape = (batch, *(length if size is None else size for size in spec.shape))
    if spec.kind == "mask":
        return (torch.arange(length) < torch.tensor(real)[:, None]).to(torch.int64)
    if spec.kind == "tokens":
        return torch.randint(spec.vocabulary, shape, generator=generator)
    return torch.randn(shape, generator=generator)


Built = tuple[nn.Module, dict[str, InputSpec], dict[str, int | None]]

_MASK = InputSpec("mask", (None,))
_IMAGE = InputSpec("values", (3, 224, 224))


def _tokens(vocabulary: int) -> InputSpec:
    return InputSpec("tokens", (None,), vocabulary)


def _number(options: Options, name: str) -> int:
    value = options[name]
    assert isinstance(value, int)
    return value


def _word(options: Options, name: str) -> str:
    value = options[name]
    assert isinstance(value, str)
    return value


def _bert(config: BertConfig, outputs: dict[str, int | None]) -> Built:
    return Bert(config), {"input_ids": _tokens(config.vocabulary), "attention_mask": _MASK}, outputs


def _minilm(options: Options) -> Built:
    config = BertConfig(
        layers=_number(options, "layers"),
        width=384,
        heads=12,
        inner=1536,
        head="mean" if options["pool"] else "hidden",
        attention=_word(options, "attention"),
    )
    return _bert(config, {"sentence_embedding": None} if options["pool"] else {"last_hidden_state": 1})


def _bert_base(options: Options) -> Built:
    config = BertConfig(
        layers=_number(options, "layers"),
        width=768,
        heads=12,
        inner=3072,
        head="pooler",
        attention=_word(options, "attention"),
    )
    return _bert(config, {"last_hidden_state": 1, "pooler_output": None})


def _gpt2(options: Options) -> Built:
    config = Gpt2Config(layers=_number(options, "layers"), attention=_word(options, "attention"))
    config = replace(config, positions=max(config.positions, _number(options, "positions")))
    return Gpt2(config), {"input_ids": _tokens(config.vocabulary)}, {"logits": 1}


def _llama(config: LlamaConfig, options: Options) -> LlamaConfig:
    sizes = {name: _number(options, name) for name in ("layers", "cache")}
    sizes["positions"] = max(config.positions, _number(options, "positions"))
    return replace(config, attention=_word(options, "attention"), **sizes)


def _with_positions(config: LlamaConfig, inputs: dict[str, InputSpec]) -> dict[str, InputSpec]:
    return {**inputs, "positions": InputSpec("positions", (None,))} if config.cache else inputs


def _llama_tiny(options: Options) -> Built:
    config = _llama(LLAMA_TINY, options)
    inputs = _with_positions(config, {"input_ids": _tokens(config.vocabulary)})
    return Llama(config), inputs, {"logits": 1}


def _llama_layers(options: Options) -> Built:
    config = _llama(LLAMA_7B, options)
    inputs = _with_positions(config, {"hidden_states": InputSpec("values", (None, config.width))})
    return LlamaLayers(config), inputs, {"hidden_states_out": 1}


def _vit(options: Options) -> Built:
    config = VitConfig(layers=_number(options, "layers"), attention=_word(options, "attention"))
    return Vit(config), {"image": _IMAGE}, {"logits": None}


def _resnet50(_: Options) -> Built:
    return ResNet50(), {"image": _IMAGE}, {"logits": None}


def _mlp(_: Options) -> Built:
    return Mlp(), {"x": InputSpec("values", (784,))}, {"logits": None}


_BUILDERS: Mapping[str, Callable[[Options], Built]] = {
    "minilm-l6": _minilm,
    "bert-base": _bert_base,
    "gpt2-small": _gpt2,
    "llama-tiny": _llama_tiny,
    "llama-7b-layer": _llama_layers,
    "vit-small": _vit,
    "resnet50": _resnet50,
    "mlp": _mlp,
}
