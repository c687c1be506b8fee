"""What `penstock analyze` reports: one entry per cascade and layer instance, passes before and after."""

from __future__ import annotations

import pytest

from penstock.ir.errors import NotationError
from penstock.ir.module import parse_module, print_module
from penstock.passes.analyse.report import report_module, report_text

from .attention import attention
from .modules import run_passes


def layers(count: int) -> str:
    """A model that calls one layer function several times; the layer's output feeds the next one's keys."""
    layer = attention("explicit", 5, 7, "causal").replace("@main", "private @layer").replace("8xf64", "6xf64")
    kinds = {"q": "2x4x5x6xf64", "k": "2x4x7x6xf64", "v": "2x4x7x6xf64", "mask": "2x1x5x7xf64"}
    types = {name: f"tensor<{kind}>" for name, kind in kinds.items()}
    listed = ", ".join(
        f'%{name}: {kind} {{penstock.kind = "input", penstock.name = "{name}"}}'
        for name, kind in types.items()
    )
    lines, last = [], "%q"
    for number in range(count):
        signature = f"({', '.join(types.values())}) -> {types['q']}"
        call = f"func.call @layer({last}, %k, %v, %mask)"
        lines.append(f'  %{number} = {call} {{penstock.instance = "encoder.layer.{number}"}} : {signature}')
        last = f"%{number}"
    body = "\n".join(lines)
    return (
        f"{layer}\nfunc.func @main({listed}) -> {types['q']} {{\n{body}\n  return {last} : {types['q']}\n}}\n"
    )


def test_every_instance_of_a_shared_layer_is_listed() -> None:
    report = report_module(parse_module(layers(3))).to_json()
    cascades = report["cascades"]
    assert isinstance(cascades, list)
    assert [entry["name"] for entry in cascades] == [f"encoder.layer.{n}.attention" for n in range(3)]
    for entry in cascades:
        assert (entry["root"], entry["rank"]) == ("k", "m")
        assert (entry["passes_before"], entry["passes_after"]) == (3, 1)
        assert entry["rewrites"] == ["defer", "split", "iterate"]
        assert entry["footprint"] == {"before": "M + 1", "after": "F + M0 + 3"}
        assert entry["derivation"][0].startswith("found: 3 passes over m")
    assert report["groups"] == {"attention": 3}


def test_the_module_reported_on_is_left_as_it_is() -> None:
    module = parse_module(layers(1))
    text = print_module(module)
    report_module(module)
    assert print_module(module) == text


def test_a_fused_module_reports_the_same_as_the_raised_one() -> None:
    text = attention("sdpa", 5, 300, "additive")
    module = run_passes(text, "relabel,simplify,fuse")
    assert report_module(module) == report_module(parse_module(text))


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("cascade1", 2, 1),
        ("cascade2", 1, 1),
        ("cascade3", 1, 1),
        ("attention3", 3, 1),
        ("attention2", 2, 2),
        ("attention1", 1, 1),
    ],
)
def test_cascades_in_text_are_counted_and_rewritten(checkout, name: str, before: int, after: int) -> None:
    path = checkout / "examples" / "cascades" / f"{name}.txt"
    (entry,) = report_text(path.read_text(encoding="utf-8"), where=str(path)).cascades
    assert (entry.name, entry.passes_before, entry.passes_after) == (name, before, after)


def test_a_text_without_shapes_is_counted_all_the_same() -> None:
    (entry,) = report_text("Y = sum[k] mul(A[k], B[k])\nZ = sum[k] mul(Y, A[k])").cascades
    assert (entry.passes_before, entry.passes_after) == (2, 1)


def test_the_text_shows_each_derivation_once() -> None:
    text = report_module(parse_module(layers(3))).text()
    assert text.count("found: 3 passes") == 1
    assert "encoder.layer.0.attention (and 2 more)" in text
    assert "groups: 3 attention" in text


def test_a_text_that_is_no_cascade_names_the_line() -> None:
    with pytest.raises(NotationError, match=r"here\.txt:2"):
        report_text("Y = sum[k] A[k]\nnonsense", where="here.txt")
