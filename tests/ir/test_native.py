"""C at first use: compiled once for its sources, headers and flags; a refusal is one sentence."""

from __future__ import annotations

import dataclasses
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from penstock.ir.errors import InputError, PassError, ToolMissing
from penstock.ir.native import Native


@pytest.fixture
def doubling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Native:
    """A library of one function, and a cache of its own."""
    monkeypatch.setenv("PENSTOCK_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "include").mkdir()
    (tmp_path / "include" / "by.h").write_text("#define BY 2\n")
    (tmp_path / "twice.c").write_text('#include "by.h"\nint twice(int x) { return BY * x; }\n')
    flags = ("-std=c11", "-O1", "-fPIC", "-shared")
    return Native(
        "maths/twice", "a doubling", tmp_path, ("twice.c",), ("include/by.h",), flags, ("include",), ("-lm",)
    )


def kept(native: Native) -> list[Path]:
    return sorted((native.folder / "cache" / "maths").iterdir())


def test_it_is_compiled_once_and_nothing_else_is_left(doubling: Native) -> None:
    assert doubling.load().twice(21) == 42
    (library,) = kept(doubling)
    made = os.stat(library).st_mtime_ns
    assert doubling.load().twice(-4) == -8
    assert kept(doubling) == [library]
    assert os.stat(library).st_mtime_ns == made


def test_another_header_or_flag_makes_another_library(doubling: Native) -> None:
    assert doubling.load().twice(5) == 10
    (doubling.folder / "include" / "by.h").write_text("#define BY 3\n")
    assert doubling.load().twice(5) == 15
    assert dataclasses.replace(doubling, flags=(*doubling.flags, "-O2")).load().twice(5) == 15
    assert len(kept(doubling)) == 3


def test_all_who_need_it_at_once_get_it(doubling: Native) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda number: doubling.load().twice(number), range(8)))
    assert found == [2 * number for number in range(8)]
    assert len(kept(doubling)) == 1


def test_what_the_compiler_refuses_is_said_and_not_kept(doubling: Native) -> None:
    (doubling.folder / "twice.c").write_text("int twice(int x) { return x +; }\n")
    with pytest.raises(PassError, match="expected expression"):
        doubling.load()
    assert kept(doubling) == []


def test_without_a_compiler_only_what_is_in_the_cache_loads(
    doubling: Native, monkeypatch: pytest.MonkeyPatch
) -> None:
    doubling.load()
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert doubling.load().twice(1) == 2
    with pytest.raises(ToolMissing, match="no C compiler"):
        dataclasses.replace(doubling, flags=("-shared",)).load()


def test_a_cache_that_cannot_be_made_is_refused(doubling: Native) -> None:
    (doubling.folder / "cache").write_text("a file where the folder should be")
    with pytest.raises(InputError, match="cannot keep a doubling here"):
        doubling.load()
