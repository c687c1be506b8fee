"""Generation: tokens and cached keys equal those of eager PyTorch, one token at a time or several."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import penstock
from penstock import Bundle
from penstock.backends.cpu.generate import Decoder
from penstock.cli import main
from penstock.frontend.zoo import build
from penstock.ir.errors import InputError

CAPACITY, MODEL = 72, "zoo:llama-tiny"
CACHED = f"{MODEL},cache={CAPACITY}"


@pytest.fixture(scope="module", autouse=True)
def without_gradients() -> Iterator[None]:
    """References are run as models in use are."""
    with torch.no_grad():
        yield


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return penstock.compile(CACHED, shapes={"s": [1, 8]}, out=tmp_path_factory.mktemp("decoder") / "b")


@pytest.fixture(scope="module")
def plain() -> nn.Module:
    return build(MODEL).module


def likeliest(model: nn.Module, tokens: list[int]) -> list[int]:
    """What the model expects behind each token; it is causal, so one pass says it for all beginnings."""
    return model(torch.tensor([tokens]))[0].argmax(-1).tolist()


@pytest.mark.parametrize("length", [1, 7, CAPACITY - 1])
def test_tokens_are_those_of_a_model_without_cache(bundle: Bundle, plain: nn.Module, length: int) -> None:
    prompt = np.random.default_rng(length).integers(1024, size=length).tolist()
    count = min(64, CAPACITY - length + 1)
    made = bundle.generate(prompt, count)
    expected = likeliest(plain, [*prompt, *made.tokens[:-1]])[length - 1 :]
    assert list(made.tokens) == expected
    assert (made.prompt, len(made.step_s)) == (length, count - 1)


def test_keys_and_values_equal_eager_ones_step_by_step(bundle: Bundle) -> None:
    eager, decoder = build(CACHED).module, Decoder(bundle.program(), threads=2)
    draw, at = np.random.default_rng(0), 0
    for count in (5, 1, 1, 8, 20, 1, CAPACITY - 36):
        tokens = draw.integers(1024, size=count)
        expected = eager(torch.from_numpy(tokens)[None], torch.arange(at, at + count))[0, -1].numpy()
        found, at = decoder.feed(tokens), at + count
        assert np.linalg.norm(found - expected) <= 1e-5 * np.linalg.norm(expected)
        for name, kept in eager.named_buffers():
            if name.endswith((".keys", ".values")):
                error = np.linalg.norm(decoder.state.arrays[name] - kept.numpy())
                assert error <= 1e-5 * np.linalg.norm(kept.numpy()), (name, at)
    assert decoder.position == CAPACITY


def test_entries_for_one_token_and_for_many_share_their_weights(bundle: Bundle) -> None:
    stored = bundle.program().tables["weights"]
    # 688 channels have no tile that divides them: the feed-forward's panels differ.
    names = [name.partition(" packed")[0] for name in stored if name.endswith("]") and ".mlp." not in name]
    assert names
    assert len(set(names)) == len(names), sorted(stored)


def test_in_bf16_a_cache_is_rounded_where_attention_reads_it(tmp_path: Path) -> None:
    bundle = penstock.compile(CACHED, shapes={"s": [1, 8]}, out=tmp_path / "b", precision="bf16")
    kernels = bundle.program().tables["kernels"].values()
    assert not [k["einsums"] for k in kernels if len(k["einsums"]) == 1 and "to_float" in k["einsums"][0]]
    assert bundle.verify([1, 8]).ok


def test_a_decoder_is_verified_from_an_empty_cache(bundle: Bundle) -> None:
    assert bundle.verify([8]).ok
    assert bundle.verify([1]).ok


def test_one_sequence_leaves_nothing_to_the_next(bundle: Bundle) -> None:
    decoder = Decoder(bundle.program())
    first = decoder.feed(np.array([5, 6])).copy()
    decoder.feed(np.arange(40))
    decoder.reset()
    np.testing.assert_array_equal(decoder.feed(np.array([5, 6])), first)


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["run", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_seed_says_what_is_drawn(
    bundle: Bundle, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    hot = [str(bundle.path), "--generate", "9", "--prompt", "3,1,4", "--temperature", "1.5"]
    written = str(tmp_path / "t.npz")
    one, same, other = (
        said(capsys, *hot, "--seed", seed, *more)["tokens"]
        for seed, more in (("1", ()), ("1", ("-o", written)), ("2", ()))
    )
    assert one == same != other
    assert np.load(written)["tokens"].tolist() == one
    report = said(capsys, str(bundle.path), "--generate", "4", "--prompt-length", "10")
    assert report["prompt_tokens"] == 10
    assert (len(report["tokens"]), len(report["step_seconds"])) == (4, 3)
    assert report["tokens_per_second"] > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--generate", "70", "--prompt", "1,2,3,4"), f"take 73 positions, the cache has {CAPACITY}"),
        (("--generate", "2", "--prompt", "1,1024"), "token 1024 (accepted: 0 to 1023)"),
        (("--generate", "2", "--profile"), "--generate with --profile"),
        (("--prompt", "1"), "a prompt or a temperature for a single run"),
        (("--generate", "2", "--temperature", "-1"), "'-1' is not a number from 0 up"),
    ],
)
def test_what_does_not_fit_is_one_message(
    bundle: Bundle, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    assert _code(["run", str(bundle.path), *arguments]) == 2
    assert message in capsys.readouterr().err


def _code(arguments: list[str]) -> int:
    try:
        return main(arguments)
    except SystemExit as end:  # argparse's
        return int(end.code or 0)


def test_a_bundle_without_cache_cannot_generate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mlp"
    penstock.compile(nn.Linear(2, 2), (torch.ones(1, 2),), out=path)
    assert _code(["run", str(path), "--generate", "1"]) == 2
    assert "no decoder with a cache" in capsys.readouterr().err


def test_a_batch_with_a_cache_is_refused() -> None:
    with pytest.raises(InputError, match="a batch of 2 with a cache"):
        penstock.compile(CACHED, shapes={"b": [2]})


def test_random_prompts_beyond_the_cache_are_not_drawn(bundle: Bundle) -> None:
    with pytest.raises(InputError, match=f"a prompt of {10**15} tokens, the cache has {CAPACITY}"):
        bundle.generate(10**15, 1)
