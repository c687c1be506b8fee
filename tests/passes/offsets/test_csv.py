"""MiniMalloc's table: what is read is what was written, and what cannot be read is named with its line."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.ir.errors import InputError
from penstock.passes.offsets import Buffer, check, plan, read_csv, write_csv
from penstock.passes.offsets.greedy import greedies


def read(tmp_path, text, **options):
    path = tmp_path / "b.csv"
    path.write_text(text)
    return read_csv(path, **options)


HEAD = "id,lower,upper,size"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "b.csv:1: missing columns: id, lower, upper, size"),
        ("id,lower,upper\n", "b.csv:1: missing columns: size"),
        (f"{HEAD},colour\n", "b.csv:1: unknown columns: colour"),
        (f"{HEAD},size\n", "b.csv:1: repeated columns: size"),
        (f"{HEAD}\na,0,1,many\n", "b.csv:2: size is 'many'"),
        (f"{HEAD}\na,0,1,1.5\n", "b.csv:2: size is '1.5'"),
        (f"{HEAD}\na,0,1\n", "b.csv:2: 3 values"),
        (f"{HEAD}\na,0,1,8,9\n", "b.csv:2: 5 values"),
        (f"{HEAD}\n,0,1,8\n", "b.csv:2: the id is empty"),
        (f"{HEAD}\na,0,1,8\nb,0,1,-8\n", "b.csv:3: b: size -8"),
        (f"{HEAD}\na,3,3,8\n", r"b.csv:2: a: the lifetime \[3, 3\) is empty"),
        (f"{HEAD}\na,3,1,8\n", r"b.csv:2: a: the lifetime \[3, 1\) is empty"),
        (f"{HEAD}\na,0,1,8\nb,0,1,8\na,5,6,8\n", "b.csv:4: the id a is also that of line 2"),
        (f"{HEAD},alignment\na,0,1,8,0\n", "b.csv:2: a: size 8 and alignment 0"),
        (f"{HEAD},gaps\na,0,9,8,3-12\n", r"b.csv:2: a: the gap \[3, 12\)"),
        (f"{HEAD},gaps\na,2,9,8,0-4\n", r"b.csv:2: a: the gap \[0, 4\)"),
        (f"{HEAD},gaps\na,0,9,8,4-3\n", r"b.csv:2: a: the gap \[4, 3\)"),
        (f"{HEAD},gaps\na,0,9,8,2-5 4-6\n", "b.csv:2: a: a gap begins at 4, before 5"),
        (f"{HEAD},gaps\na,0,9,8,0-9\n", "b.csv:2: a: the gaps leave nothing"),
        (f"{HEAD},gaps\na,0,9,8,5\n", r"b.csv:2: the gap 5 .*from-to"),
        (f"{HEAD},gaps\na,0,9,8,2-4@0:4\n", "b.csv:2: the gap 2-4@0:4 keeps a part"),
        (f"{HEAD},offset\na,0,9,8,-8\n", "b.csv:2: a: the given offset -8"),
        (f"{HEAD},alignment,offset\na,0,9,8,4,6\n", r"b.csv:2: a: the given offset 6 .*multiple of .* 4"),
    ],
)
def test_malformed_table_is_refused_with_its_line(tmp_path, text, says):
    with pytest.raises(InputError, match=says):
        read(tmp_path, text)


def test_unknown_pool_is_refused_with_its_line(tmp_path):
    text = f"{HEAD},pools\na,0,1,8,fast slow\nb,0,1,8,hot\n"
    assert read(tmp_path, text)[0].pools == ("fast", "slow")
    with pytest.raises(InputError, match=r"b.csv:3: b: unknown pool hot .*fast, slow"):
        read(tmp_path, text, pools=("fast", "slow"))
    with pytest.raises(InputError, match=r"b.csv:2: a: unknown pool fast .*no pools"):
        read(tmp_path, text, pools=())


def test_file_that_is_no_text_or_absent_is_refused(tmp_path):
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not text"):
        read_csv(tmp_path / "b.csv")
    with pytest.raises(InputError, match="cannot be read"):
        read_csv(tmp_path / "absent.csv")


def test_older_columns_are_read_and_their_ends_belong_to_the_life(tmp_path):
    text = "buffer_id,start,end,size,gaps\na,0,4,8,1-2\n"
    assert read(tmp_path, text) == (Buffer("a", 0, 5, 8, 1, ((1, 3),)),)


def test_columns_in_any_order_with_blanks_and_a_mark_at_the_start(tmp_path):
    text = "\ufeffsize, id ,upper,lower,hint,offset\n8, a ,4,0,3,\n\n16,b,9,2,0,32\n"
    assert read(tmp_path, text) == (
        Buffer("a", 0, 4, 8, 1, hint=3),
        Buffer("b", 2, 9, 16, 1, offset=32, hint=0),
    )


def test_offsets_of_a_former_result_can_be_left_out(tmp_path):
    text = f"{HEAD},offset\na,0,4,8,40\n"
    assert read(tmp_path, text)[0].offset == 40
    assert read(tmp_path, text, given_offsets=False)[0].offset is None


@st.composite
def tables(draw):
    buffers = []
    for index in range(draw(st.integers(1, 8))):
        start = draw(st.integers(-5, 20))
        edges = sorted(draw(st.sets(st.integers(start + 1, start + 20), min_size=1, max_size=5)))
        gaps = tuple(zip(edges[:-1:2], edges[1:-1:2], strict=False))
        align = draw(st.sampled_from((1, 4, 64)))
        buffers.append(Buffer(f"b {index}, x", start, edges[-1], draw(st.integers(0, 99)), align, gaps))
    return tuple(buffers)


@given(tables())
@settings(max_examples=80, deadline=None)
def test_what_is_written_is_read_again_and_keeps_its_places(tmp_path_factory, buffers):
    path = tmp_path_factory.mktemp("csv") / "out.csv"
    offsets = plan(buffers, time_limit_s=0).offsets
    write_csv(path, buffers, offsets)
    again = read_csv(path)
    assert read_csv(path, given_offsets=False) == buffers
    assert {b.name: b.offset for b in again} == offsets
    assert plan(again).offsets == offsets


def test_nothing_half_written_is_left(tmp_path):
    with pytest.raises(KeyError):
        write_csv(tmp_path / "out.csv", [Buffer("a", 0, 1, 8)], {})
    with pytest.raises(InputError, match="is a directory"):
        write_csv(tmp_path, [Buffer("a", 0, 1, 8)], {"a": 0})
    assert list(tmp_path.iterdir()) == []


def test_hints_start_the_search_from_a_layout(tmp_path):
    """A layout as hints comes first, and no buffer of it ends higher than it was."""
    random = Random(6)
    path = tmp_path / "hinted.csv"
    for number in range(20):
        starts = [random.randrange(30) for _ in range(60)]
        buffers = [
            Buffer(f"b{at}", low, low + 1 + random.randrange(12), 1 + random.randrange(40), 1)
            for at, low in enumerate(starts)
        ]
        _, layout = list(greedies(buffers))[number % 10]
        rows = "\n".join(f"{b.name},{b.start},{b.end},{b.size_bytes},{layout[b.name]}" for b in buffers)
        path.write_text(f"{HEAD},hint\n{rows}\n", encoding="utf-8")
        name, offsets = next(iter(greedies(read_csv(path))))
        assert name == "hint-first-fit"
        check(buffers, offsets)
        assert all(offsets[b.name] <= layout[b.name] for b in buffers)
    assert [each.hint for each in read(tmp_path, f"{HEAD},hint\na,0,4,8,-1\nb,0,4,8,\n")] == [None, None]
    with pytest.raises(InputError, match="hint is 'low'"):
        read(tmp_path, f"{HEAD},hint\na,0,4,8,low\n")
