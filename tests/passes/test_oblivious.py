"""Private indices: where they may go, what is refused, and how a row becomes values of the map."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from penstock.compiler import raise_subject
from penstock.ir.errors import InputError, PassError, PrivateUses
from penstock.ir.lookup import Lookup, ObliviousMap, chunked, value_bytes_most
from penstock.ir.mlir import ir
from penstock.ir.module import parse_module, print_module
from penstock.ir.oblivious import LOOKUP, MAP, PRIVATE, attribute, lookup_of, map_of, record
from penstock.ir.steps import CALL, body, callee, functions
from penstock.passes.pipeline import parse_pipeline, run_pipeline
from penstock.subject import from_module

from .modules import IR

ROWS = (IR / "oblivious" / "rows.mlir").read_text(encoding="utf-8")
PARAM = '"param", penstock.name = "t"'


class Shows(torch.nn.Module):
    """Every way a model shows its indices that the frontend raises."""

    def __init__(self) -> None:
        super().__init__()
        self.table = torch.nn.Embedding(50, 24)
        self.scores = torch.nn.Parameter(torch.randn(50, 24))
        self.marks = torch.nn.Embedding(6, 24)

    def forward(self, ids: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        x = self.table(ids) + self.marks(places) + (ids != 0)[..., None]
        along = torch.gather(x, 1, ids[..., None].expand(-1, -1, 24))
        columns = self.scores[:, ids[0] % 24]
        best = self.table(torch.argmax(x, -1))
        rows = torch.index_select(x, 1, ids[0])
        return along.sum() + columns.sum() + best.sum() + rows.sum() + torch.cumsum(ids, 1).sum()


def shows() -> ir.Module:
    ids = torch.zeros(1, 6, dtype=torch.int64)
    return raise_subject(from_module(Shows(), {"ids": ids, "places": ids.clone()}, "f32")).module


def test_what_would_tell_a_private_number_out_of_range_is_left_out() -> None:
    ids = torch.zeros(1, 6, dtype=torch.int64)
    model = torch.nn.Sequential(torch.nn.Embedding(50, 24))
    module = raise_subject(from_module(model, {"input": ids}, "f32")).module
    assert "penstock.below = 50" in print_module(module)
    hidden, _ = run_pipeline(module, parse_pipeline("oblivious{private=input}"))
    assert "penstock.below" not in print_module(hidden)


def refused(text: str) -> list[str]:
    """The reasons for which the pass refuses a module of ``@main(%x private, %p public, %t)``."""
    with pytest.raises(PrivateUses) as caught:
        run_pipeline(parse_module(text), parse_pipeline("oblivious"))
    return [f"{use.op}: {use.reason}" for use in caught.value.uses]


def upstream(body: str, result: str = "tensor<4xf32>", given: str = "%x, %p, %t") -> str:
    """A module whose entry calls one upstream function on a private index, a public one and a table."""
    kinds = {"%x": "tensor<4xi64>", "%p": "tensor<4xi64>", "%t": "tensor<4xf32>"}
    types = ", ".join(kinds[name] for name in given.split(", "))
    taken = ", ".join(f"{name}: {kinds[name]}" for name in ("%x", "%p", "%t"))
    arguments = ", ".join(
        f'{name}: {kind} {{penstock.kind = "input", penstock.name = "{name[1:]}"{mark}}}'
        for (name, kind), mark in zip(kinds.items(), (", penstock.private", "", ""), strict=True)
    )
    return f"""
func.func @main({arguments}) -> {result} {{
  %0 = call @op({given}) : ({types}) -> {result}
  return %0 : {result}
}}
func.func private @op({taken}) -> {result} attributes {{penstock.upstream}} {{
  %c0 = arith.constant 0 : index
  %first = tensor.extract %x[%c0] : tensor<4xi64>
  %at = arith.index_cast %first : i64 to index
{body}
}}"""


def test_every_use_that_shows_a_private_index_is_refused_at_once_with_its_line() -> None:
    with pytest.raises(PrivateUses) as caught:
        run_pipeline(shows(), parse_pipeline("oblivious{private=ids}"))
    uses = caught.value.uses
    assert [use.op.partition("(")[2] for use in uses] == ["gather)", "index)", "index_select)"]
    assert all(use.source.startswith("test_oblivious.py:") for use in uses)
    assert len({use.source for use in uses}) == 3
    assert all("look-up of whole rows" in use.accepted for use in uses)
    assert len(caught.value.to_json()["uses"]) == 3  # type: ignore[arg-type]
    assert "private ids: 3 uses" in str(caught.value)


def test_an_index_that_is_not_private_may_be_looked_up_in_any_way() -> None:
    module, _ = run_pipeline(shows(), parse_pipeline("oblivious{private=places}"))
    found = [lookup_of(function) for function in functions(module).values()]
    # The table is looked up by what its own rows and the private marks say, too.
    assert {each.table: each.first_key for each in found if each} == {"marks.weight": 0, "table.weight": 6}
    assert map_of(module) == ObliviousMap(keys=56, capacity=64, value_bytes=96, alpha=0.2)
    calls = [callee(op) for op in body(functions(module)["main"]) if op.name == CALL]
    assert sum(not name.startswith("oblivious") for name in calls) == 4, "by the ids, which are public"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (
            "%y = tensor.extract %t[%at] : tensor<4xf32>\n %r = tensor.splat %y : tensor<4xf32>\n"
            "return %r : tensor<4xf32>",
            "reads at an address made from it",
        ),
        (
            "%z = tensor.extract %t[%c0] : tensor<4xf32>\n"
            "%r = tensor.insert %z into %t[%at] : tensor<4xf32>\n return %r : tensor<4xf32>",
            "writes to an address made from it",
        ),
        (
            "%b = arith.cmpi eq, %at, %c0 : index\n"
            "%r = scf.if %b -> tensor<4xf32> { scf.yield %t : tensor<4xf32> }"
            " else { %n = arith.negf %t : tensor<4xf32>\n scf.yield %n : tensor<4xf32> }\n"
            "return %r : tensor<4xf32>",
            "a branch on it",
        ),
        (
            "%c1 = arith.constant 1 : index\n"
            "%r = scf.for %i = %c0 to %at step %c1 iter_args(%a = %t) -> tensor<4xf32>"
            " { %n = arith.addf %a, %a : tensor<4xf32>\n scf.yield %n : tensor<4xf32> }\n"
            "return %r : tensor<4xf32>",
            "a loop whose length depends on it",
        ),
        (
            "%e = tensor.empty(%at) : tensor<?xf32>\n return %t : tensor<4xf32>",
            "a shape that depends on it",
        ),
        (
            "%s = tensor.extract_slice %t[0] [%at] [1] : tensor<4xf32> to tensor<?xf32>\n"
            "return %t : tensor<4xf32>",
            "reads at an address, or a shape, made from it",
        ),
        (
            '%b = arith.cmpi eq, %at, %c0 : index\n cf.assert %b, "equal"\n return %t : tensor<4xf32>',
            "stops the program by it",
        ),
        (
            "%r = tensor.gather %t[%w] gather_dims([0]) : (tensor<4xf32>, tensor<4x1xi64>) -> tensor<4xf32>\n"
            "return %r : tensor<4xf32>",
            "reads at an address made from it",
        ),
        (
            '%r = "linalg.softmax"(%f, %t) {dimension = 0 : i64} : (tensor<4xf32>, tensor<4xf32>)'
            " -> tensor<4xf32>\n return %r : tensor<4xf32>",
            "'linalg.softmax' is not known to treat all values alike",
        ),
    ],
)
def test_addresses_branches_loops_and_shapes_made_from_a_private_value_are_refused(
    body: str, reason: str
) -> None:
    wide = "%w = tensor.expand_shape %x [[0, 1]] output_shape [4, 1] : tensor<4xi64> into tensor<4x1xi64>\n"
    floats = "%f = arith.sitofp %x : tensor<4xi64> to tensor<4xf32>\n"
    text = upstream(wide + floats + body)
    assert refused(text) == [f"op: {reason}"]
    public = text.replace(", penstock.private", "")
    run_pipeline(parse_module(public), parse_pipeline("oblivious"))


def test_arithmetic_on_a_private_value_is_accepted_and_what_it_gives_is_private() -> None:
    body = """
  %r = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>],
      iterator_types = ["parallel"]} ins(%x : tensor<4xi64>) outs(%t : tensor<4xf32>) {
  ^bb0(%in: i64, %out: f32):
    %same = arith.cmpi eq, %in, %first : i64
    %n = arith.negf %out : f32
    %y = arith.select %same, %n, %out : f32
    linalg.yield %y : f32
  } -> tensor<4xf32>
  return %r : tensor<4xf32>"""
    module, _ = run_pipeline(parse_module(upstream(body)), parse_pipeline("oblivious"))
    main = functions(module)["main"]
    call = main.entry_block.operations[0]
    assert PRIVATE in call.operation.attributes
    assert PRIVATE in ir.DictAttr(ir.ArrayAttr(main.attributes["res_attrs"])[0])
    assert MAP not in module.operation.attributes


def test_with_private_weights_what_is_made_of_them_is_private_and_may_not_be_an_address() -> None:
    """As when a private choice decides whose parameters they are."""
    module, _ = run_pipeline(parse_module(ROWS), parse_pipeline("oblivious{weights=private}"))
    main = functions(module)["main"]
    kinds = [PRIVATE in ir.DictAttr(each) for each in ir.ArrayAttr(main.attributes["arg_attrs"])]
    assert kinds == [True, False, True, True, True], "kinds stay public"
    assert all(PRIVATE in op.operation.attributes for op in main.entry_block.operations if op.name == CALL)
    found = [lookup_of(function) for function in functions(module).values()]
    assert {each.table for each in found if each} == {"words", "marks"}

    body = """
  %y = tensor.extract %t[%at] : tensor<4xf32>
  %b = arith.cmpf ogt, %y, %y : f32
  %r = scf.if %b -> tensor<4xf32> { scf.yield %t : tensor<4xf32> }
    else { %n = arith.negf %t : tensor<4xf32>
      scf.yield %n : tensor<4xf32> }
  return %r : tensor<4xf32>"""
    text = upstream(body).replace(", penstock.private", "").replace('"input", penstock.name = "t"', PARAM)
    run_pipeline(parse_module(text), parse_pipeline("oblivious"))
    with pytest.raises(PrivateUses, match=r"private weights: 1 use .*\n.*a branch on it"):
        run_pipeline(parse_module(text), parse_pipeline("oblivious{weights=private}"))
    with pytest.raises(PassError, match=r"weights 'hidden' .*public or private"):
        parse_pipeline("oblivious{weights=hidden}")


def test_a_state_may_be_given_private_values_but_no_private_coordinates() -> None:
    text = """
func.func @main(%cache: tensor<8x4xf32> {penstock.kind = "state", penstock.name = "cache"},
    %at: tensor<2xi64> {penstock.kind = "input", penstock.name = "at"AT},
    %ids: tensor<2x4xi64> {penstock.kind = "input", penstock.name = "ids"IDS})
    -> (tensor<8x4xf32>, tensor<8x4xf32>) {
  %0 = "cascade.einsum"(%cache) {expr = "Old[s,d] = neg(Cache[s,d])"} : (tensor<8x4xf32>) -> tensor<8x4xf32>
  %1 = "cascade.einsum"(%ids) {expr = "New[s,d] = to_float(Ids[s,d])"} : (tensor<2x4xi64>) -> tensor<2x4xf32>
  %2 = call @put(%cache, %at, %1) {penstock.updates = array<i64: 0>}
    : (tensor<8x4xf32>, tensor<2xi64>, tensor<2x4xf32>) -> tensor<8x4xf32>
  return %0, %2 : tensor<8x4xf32>, tensor<8x4xf32>
}
func.func private @put(%state: tensor<8x4xf32>, %index: tensor<2xi64>, %slices: tensor<2x4xf32>)
    -> tensor<8x4xf32> attributes {penstock.put = 0 : i64, penstock.upstream} {
  return %state : tensor<8x4xf32>
}"""
    mark = ", penstock.private"
    values = text.replace("AT", "").replace("IDS", mark)
    module, _ = run_pipeline(parse_module(values), parse_pipeline("oblivious"))
    arguments, results = (
        [PRIVATE in ir.DictAttr(each) for each in ir.ArrayAttr(functions(module)["main"].attributes[kind])]
        for kind in ("arg_attrs", "res_attrs")
    )
    assert arguments == [True, False, True], "what was put into the state is there when the next run begins"
    assert results == [True, True]
    assert refused(text.replace("AT", mark).replace("IDS", "")) == ["put: writes to an address made from it"]


def test_a_state_made_private_by_one_entry_is_private_in_the_others() -> None:
    put = """
func.func private @put(%state: tensor<8xi64>, %index: tensor<2xi64>, %slices: tensor<2xi64>) -> tensor<8xi64>
    attributes {penstock.put = 0 : i64, penstock.upstream} {
  return %state : tensor<8xi64>
}"""
    state = '%kept: tensor<8xi64> {penstock.kind = "state", penstock.name = "kept"}'
    ids = '%ids: tensor<2xi64> {penstock.kind = "input", penstock.name = "ids", penstock.private}'
    at = '%at: tensor<2xi64> {penstock.kind = "input", penstock.name = "at"}'
    reads = f"""
func.func @first({state}, %x: tensor<8xf32> {{penstock.kind = "input", penstock.name = "x"}})
    -> tensor<8xf32> {{
  %0 = call @look(%x, %kept) : (tensor<8xf32>, tensor<8xi64>) -> tensor<8xf32>
  return %0 : tensor<8xf32>
}}
func.func private @look(%x: tensor<8xf32>, %kept: tensor<8xi64>) -> tensor<8xf32>
    attributes {{penstock.upstream}} {{
  %c0 = arith.constant 0 : index
  %first = tensor.extract %kept[%c0] : tensor<8xi64>
  %place = arith.index_cast %first : i64 to index
  %y = tensor.extract %x[%place] : tensor<8xf32>
  %r = tensor.splat %y : tensor<8xf32>
  return %r : tensor<8xf32>
}}"""
    writes = f"""
func.func @second({ids}, {at}, {state}) -> tensor<8xi64> {{
  %0 = call @put(%kept, %at, %ids) {{penstock.updates = array<i64: 0>}}
    : (tensor<8xi64>, tensor<2xi64>, tensor<2xi64>) -> tensor<8xi64>
  return %0 : tensor<8xi64>
}}"""
    assert refused(reads + writes + put) == ["look: reads at an address made from it"]
    run_pipeline(parse_module(reads), parse_pipeline("oblivious"))


def test_a_table_that_is_not_one_parameter_of_the_model_is_refused() -> None:
    inside = ROWS.replace('{penstock.kind = "param", penstock.name = "marks"}', '{penstock.name = "marks"}')
    with pytest.raises(PrivateUses, match="not one parameter of the whole model"):
        run_pipeline(parse_module(inside), parse_pipeline("oblivious"))


@pytest.mark.parametrize(
    ("name", "message"),
    [("tokens", "no input 'tokens' to be private"), ("words", "no input 'words'"), ("x", "holds no indices")],
)
def test_a_name_that_is_no_index_is_refused(name: str, message: str) -> None:
    text = ROWS.replace(
        '%w: tensor<100xf32> {penstock.kind = "param", penstock.name = "w"}',
        '%w: tensor<100xf32> {penstock.kind = "input", penstock.name = "x"}',
    )
    with pytest.raises(InputError, match=message) as caught:
        run_pipeline(parse_module(text), parse_pipeline(f"oblivious{{private={name}}}"))
    assert caught.value.accepted == "ids, kinds"


def test_options_that_cannot_be_are_refused() -> None:
    for option in ("page_bytes=100", "page_bytes=64", "alpha=1.5"):
        with pytest.raises(PassError, match="oblivious"):
            parse_pipeline(f"oblivious{{{option}}}")
    fused = print_module(run_pipeline(parse_module(ROWS), parse_pipeline("relabel,simplify,fuse"))[0])
    with pytest.raises(PassError, match="fused already"):
        run_pipeline(parse_module(fused), parse_pipeline("oblivious"))


def test_the_mark_of_a_lookup_is_held_to_its_rules() -> None:
    for sizes in ((4, 20, 2, 8, 3), (0, 10, 2, 8, 3), (1 << 31, 10, 2, 8, 3), (4, 10, 2, 8, -1)):
        with pytest.raises(InputError, match="Lookup"):
            Lookup("t", *sizes)
    with pytest.raises(InputError, match="ObliviousMap"):
        ObliviousMap(65, 64, 4, 0.2)
    with ir.Location.unknown(parse_module(ROWS).context):
        good = Lookup("t", rows=4, row_bytes=10, chunks=2, value_bytes=8, first_key=3)
        assert record(Lookup, attribute(good), LOOKUP) == good
        whole = ObliviousMap(60, 64, 8, 0.25)
        assert record(ObliviousMap, attribute(whole), MAP) == whole
        texts = (
            "unit",
            str(attribute(whole)),
            str(attribute(good)).replace('"t"', "1 : i64"),
            str(attribute(good)).replace("rows = 4 : i64", 'rows = "4"'),
            str(attribute(good)).replace("chunks = 2", "chunks = 1"),
        )
        for text in texts:
            with pytest.raises(InputError):
                record(Lookup, ir.Attribute.parse(text), LOOKUP)


@given(row_bytes=st.integers(1, 5000), pages=st.sampled_from([256, 512, 1024, 4096, 65536]))
def test_chunks_hold_a_row_fit_a_page_and_are_as_few_and_as_small_as_can_be(
    row_bytes: int, pages: int
) -> None:
    most = value_bytes_most(pages)
    chunks, size = chunked(row_bytes, most)
    assert size % 4 == 0
    assert 16 * (4 + size) + 24 <= pages
    assert 16 * (8 + most) + 24 > pages
    assert chunks * size >= row_bytes > (chunks - 1) * most
    assert chunks * (size - 4) < row_bytes


@given(rows=st.integers(1, 30), width=st.integers(1, 40), chunks=st.integers(1, 5), data=st.data())
def test_the_values_of_a_rows_keys_are_the_row(
    rows: int, width: int, chunks: int, data: st.DataObject
) -> None:
    size = -(-width * 4 // (4 * chunks)) * 4
    lookup = Lookup("t", rows, width * 4, chunks, size, data.draw(st.integers(0, 1000)))
    table = np.random.default_rng(rows * width).standard_normal((rows, width)).astype(np.float32)
    values = lookup.values(table)
    index = np.array(data.draw(st.lists(st.integers(-2 * rows, 2 * rows), min_size=1, max_size=20)))
    keys, valid = lookup.keys_of(index)
    assert keys.size == index.size * chunks, "as many keys whatever the numbers are"
    assert valid.tolist() == [-rows <= number < rows for number in index]
    fetched = values[keys - lookup.first_key].reshape(index.size, -1)[:, : width * 4].copy().view(np.float32)
    np.testing.assert_array_equal(fetched[valid], table[index[valid]])
