"""What each weight format costs a small language model: perplexity on text it has not seen.

A Llama of three layers, trained from scratch on the sources of this Python's standard library, then every
linear layer (the head too) quantized in every format. Nothing is downloaded. Perplexity is per BPE token;
windows of the held-out files are resampled for the comparisons (paired bootstrap).

Usage: python benchmarks/accuracy_lm.py [--steps N] [--seed N] [--threads N] [--checkpoint FILE]
           [--formats A,B] [--windows N] [--resamples N] [--json]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import platform
import sys
import sysconfig
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import nn
from weight_formats import (
    FLOAT,
    Row,
    Statistic,
    as_json,
    chosen,
    claims,
    compare,
    draws,
    in_format,
    matrices,
    show,
)

from penstock.frontend.zoo.initialise import initialise
from penstock.frontend.zoo.llama import Llama, LlamaConfig

LEFT_OUT = {"__pycache__", "encodings", "idlelib", "lib2to3", "test", "tests"}
"""Folders with little text: tables, old grammars, tests, and what some installations leave out."""
HELD_OUT_OF = 10
COLUMNS = {
    "format": "",
    "bits": ".3f",
    "perplexity": ".3f",
    "delta": "+.3f",
    "percent": "+.2f",
    "weight_error": ".5f",
}


@dataclass(frozen=True)
class Settings:
    """What the trained model depends on, besides the texts.

    Attributes:
        steps: of AdamW, after each of which the rate follows a cosine down from `rate` (warmed up first).
        batch: windows a step; `window` tokens each.
        seed: of the first weights and of the windows drawn.
    """

    steps: int = 1200
    batch: int = 4
    window: int = 128
    vocabulary: int = 1024
    layers: int = 3
    width: int = 256
    inner: int = 768
    heads: int = 4
    rate: float = 2e-3
    warmup: int = 60
    decay: float = 0.1
    seed: int = 0

    def config(self) -> LlamaConfig:
        """Sizes of the model; every linear layer's inputs are a multiple of 128."""
        return LlamaConfig(
            self.layers, self.width, self.heads, self.heads, self.inner, self.window, self.vocabulary
        )


def held_out(name: str) -> bool:
    """Whether a file, named by its path below the library in POSIX form, is never trained on: a tenth are."""
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % HELD_OUT_OF == 0


def library_files(root: Path) -> Iterator[tuple[str, str]]:
    """Names and texts of the standard library's modules, sorted by name."""
    names = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.py"))
    for name in names:
        parts = Path(name).with_suffix("").parts
        if parts[0] in sys.stdlib_module_names and not LEFT_OUT & set(parts):
            yield name, (root / name).read_text(encoding="utf-8", errors="replace")


def corpus() -> tuple[list[str], list[str]]:
    """The texts to train on, and those held out."""
    texts: tuple[list[str], list[str]] = [], []
    for name, text in library_files(Path(sysconfig.get_paths()["stdlib"])):
        texts[held_out(name)].append(text)
    return texts


def digest(texts: Sequence[str]) -> str:
    """The first 16 hexadecimal digits of the texts' SHA-256."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def train_tokenizer(texts: Sequence[str], vocabulary: int) -> Tokenizer:
    """A byte-level BPE with that many tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def tokens_of(tokenizer: Tokenizer, texts: Sequence[str]) -> torch.Tensor:
    """The texts' tokens one after another, int64 [tokens]."""
    rows = tokenizer.encode_batch_fast(list(texts))
    return torch.from_numpy(np.concatenate([np.array(row.ids, dtype=np.int64) for row in rows]))


def cut(tokens: torch.Tensor, window: int, count: int) -> torch.Tensor:
    """That many windows spread evenly over the tokens, none overlapping; fewer where there are fewer."""
    whole = tokens[: len(tokens) // window * window].reshape(-1, window)
    places = np.linspace(0, len(whole) - 1, min(count, len(whole))).round().astype(np.int64)
    return whole[torch.from_numpy(places)]


def loss(model: nn.Module, windows: torch.Tensor, reduction: str = "mean") -> torch.Tensor:
    """Nats per token after the first of each window [windows, tokens]."""
    logits = model(windows[:, :-1])
    return F.cross_entropy(logits.flatten(0, 1), windows[:, 1:].flatten(), reduction=reduction)


def train(settings: Settings, tokens: torch.Tensor, report: bool = True) -> Llama:
    """A model trained on windows drawn from the tokens."""
    model = Llama(settings.config())
    with torch.no_grad():
        initialise(model, settings.seed)
    decayed = [each for each in model.parameters() if each.dim() > 1]
    plain = [each for each in model.parameters() if each.dim() == 1]
    groups = [{"params": decayed, "weight_decay": settings.decay}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=settings.rate, betas=(0.9, 0.95))
    generator = torch.Generator().manual_seed(settings.seed)
    start = time.perf_counter()
    for step in range(settings.steps):
        for group in optimizer.param_groups:
            group["lr"] = settings.rate * rate_at(step, settings)
        places = torch.randint(len(tokens) - settings.window, (settings.batch, 1), generator=generator)
        value = loss(model, tokens[places + torch.arange(settings.window)])
        optimizer.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if report and (step + 1) % 50 == 0:
            seconds = time.perf_counter() - start
            print(
                f"step {step + 1} of {settings.steps}: {value.item():.3f} nats, {seconds:.0f} s",
                file=sys.stderr,
            )
    return model.requires_grad_(False).eval()


def rate_at(step: int, settings: Settings) -> float:
    """The learning rate at a step, over its highest: a linear rise, then half a cosine to a tenth."""
    if step < settings.warmup:
        return (step + 1) / settings.warmup
    along = (step - settings.warmup) / max(1, settings.steps - settings.warmup)
    return 0.55 + 0.45 * math.cos(math.pi * along)


def trained(settings: Settings, texts: Sequence[str], checkpoint: Path | None) -> tuple[Llama, Tokenizer]:
    """The model and its tokenizer: from the checkpoint if there is one, else trained and put there.

    Raises:
        SystemExit: the checkpoint is of other settings or texts.
    """
    made_of = json.dumps({**asdict(settings), "texts": digest(texts)}, sort_keys=True)
    if checkpoint is not None and checkpoint.exists():
        with safe_open(checkpoint, framework="pt") as stored:
            facts = stored.metadata()
            values = {name: stored.get_tensor(name) for name in set(stored.keys())}
        if facts["made_of"] != made_of:
            raise SystemExit(f"{checkpoint} was made of {facts['made_of']}, not of {made_of}: remove it")
        model = Llama(settings.config())
        model.load_state_dict(values)
        return model.requires_grad_(False).eval(), Tokenizer.from_str(facts["tokenizer"])
    tokenizer = train_tokenizer(texts, settings.vocabulary)
    model = train(settings, tokens_of(tokenizer, texts))
    if checkpoint is not None:
        save_file(model.state_dict(), checkpoint, {"made_of": made_of, "tokenizer": tokenizer.to_str()})
    return model, tokenizer


def nats(model: nn.Module, windows: torch.Tensor) -> NDArray[np.float64]:
    """Mean nats per token of each window, [windows]."""
    with torch.inference_mode():
        parts = [loss(model, rows, "none").reshape(len(rows), -1) for rows in windows.split(16)]
    return torch.cat(parts).double().mean(dim=1).numpy()


def table(measured: dict[str, NDArray[np.float64]], stored: dict[str, tuple[float, float]]) -> list[Row]:
    """A row per format, of least perplexity first; `stored` has bits per weight and weight error."""
    reference = math.exp(measured[FLOAT].mean())
    rows: list[Row] = []
    for name, losses in sorted(measured.items(), key=lambda each: each[1].mean()):
        perplexity = math.exp(losses.mean())
        rows.append(
            {
                "format": name,
                "bits": stored[name][0],
                "perplexity": perplexity,
                "delta": perplexity - reference,
                "percent": 100 * (perplexity / reference - 1),
                "weight_error": stored[name][1],
            }
        )
    return rows


def mean_of(losses: NDArray[np.float64]) -> Statistic:
    """Less loss is better, hence the sign."""
    return lambda counts: -float(losses @ counts / counts.sum())


def main() -> int:
    parser = argparse.ArgumentParser(description="perplexity of a small language model per weight format")
    parser.add_argument("--steps", type=int, default=Settings.steps, help="training steps (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--threads", type=int, default=1, help="another number rounds differently (%(default)s)"
    )
    parser.add_argument(
        "--checkpoint", type=Path, help="keep the trained model here, and use it if it is there"
    )
    parser.add_argument("--formats", default="", help="only these, with commas between")
    parser.add_argument("--windows", type=int, default=400, help="held-out windows (%(default)s)")
    parser.add_argument("--resamples", type=int, default=2000)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    names = chosen(options.formats)
    settings = Settings(steps=options.steps, seed=options.seed)
    seen, unseen = corpus()
    model, tokenizer = trained(settings, seen, options.checkpoint)
    tokens = tokens_of(tokenizer, unseen)
    windows = cut(tokens, settings.window, options.windows)
    measured, stored = {FLOAT: nats(model, windows)}, {FLOAT: (32.0, 0.0)}
    weights = matrices(model, embeddings=False)
    for name in names:
        with in_format(weights, name) as facts:
            measured[name], stored[name] = nats(model, windows), (facts.bits, facts.error)
    statistics = {name: mean_of(each) for name, each in measured.items()}
    counts = draws(len(windows), options.resamples, options.seed)
    verdicts = [compare(pair, "nats per token", statistics, counts) for pair in claims(names)]
    rows = table(measured, stored)
    facts = {
        "settings": asdict(settings),
        "parameters": sum(each.numel() for each in model.parameters()),
        "quantized": sum(each.numel() for each in weights.values()),
        "texts": {"train": digest(seen), "held_out": digest(unseen)},
        "bytes": {"train": sum(map(len, seen)), "held_out": sum(map(len, unseen))},
        "bytes_per_token": sum(len(text.encode()) for text in unseen) / len(tokens),
        "tokens": {"trained": settings.steps * settings.batch * settings.window, "held_out": windows.numel()},
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
    }
    if options.json:
        print(json.dumps(as_json(rows, verdicts, **facts), indent=2))
    else:
        print(json.dumps(facts))
        show(rows, verdicts, COLUMNS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
