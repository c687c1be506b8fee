"""The zoo's table and the specs that name a model."""

from __future__ import annotations

import subprocess
import sys

import pytest

from penstock.frontend import zoo
from penstock.ir.errors import InputError


def test_listing_and_parsing_import_no_torch() -> None:
    program = (
        "import sys; from penstock.frontend.zoo import entries, parse_spec; entries(); parse_spec('zoo:mlp');"
        "sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_the_zoo_has_the_models_promised() -> None:
    assert [entry.name for entry in zoo.entries()] == [
        "minilm-l6",
        "bert-base",
        "gpt2-small",
        "llama-tiny",
        "llama-7b-layer",
        "vit-small",
        "resnet50",
        "mlp",
    ]


def test_options_are_typed_and_the_rest_stay_at_their_defaults() -> None:
    entry, options = zoo.parse_spec("zoo:bert-base,layers=2,seed=1")
    assert entry.name == "bert-base"
    assert options == {"layers": 2, "attention": "sdpa", "seed": 1}
    assert zoo.parse_spec("zoo:minilm-l6,pool=true")[1]["pool"] is True


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("bert-base", "zoo:NAME"),
        ("zoo:", "zoo:bert-base"),
        ("zoo:bert-bse", "did you mean 'bert-base'"),
        ("zoo:bert-base,layer=2", "did you mean 'layers'"),
        ("zoo:bert-base,layer=2", "accepted: layers, attention, seed"),
        ("zoo:bert-base,layers", "key=value"),
        ("zoo:bert-base,", "key=value"),
        ("zoo:bert-base,layers=0", "1 to 48"),
        ("zoo:bert-base,layers=two", "1 to 48"),
        ("zoo:bert-base,seed=-1", "0 to 2147483647"),
        ("zoo:bert-base,attention=flash", "sdpa, explicit"),
        ("zoo:minilm-l6,pool=yes", "true, false"),
        ("zoo:minilm-l6,layers=7", "1 to 6"),
        ("zoo:bert-base,seed=1,seed=2", "twice"),
        ("zoo:resnet50,layers=2", "no option 'layers'"),
    ],
)
def test_a_bad_spec_says_what_is_accepted(spec: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        zoo.parse_spec(spec)
    assert said in str(caught.value)
