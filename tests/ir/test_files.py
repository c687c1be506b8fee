"""Files are written whole: what was there stays until the new one is complete, and no scratch is left."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from penstock.ir import bundle, files
from penstock.ir.errors import BundleError, InputError


def test_an_error_midway_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    place = tmp_path / "plan.json"
    place.write_text("old")

    def half() -> None:
        with files.whole(place) as scratch:
            scratch.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half()
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("plan.json", "old")]


def test_two_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    place = tmp_path / "a b ü.txt"
    with files.whole(place) as first, files.whole(place) as second:
        assert first != second
        first.write_text("first")
        second.write_text("second")
    assert place.read_text() == "first"  # the one that was put in place last
    assert os.listdir(tmp_path) == [place.name]


def test_a_link_and_its_target_stay_and_the_mode_too(tmp_path: Path) -> None:
    target, link = tmp_path / "real", tmp_path / "link"
    target.write_text("old")
    target.chmod(0o600)
    link.symlink_to(target)
    files.write_text(link, "new")
    assert link.is_symlink()
    assert (target.read_text(), target.stat().st_mode & 0o777) == ("new", 0o600)


def test_folders_on_the_way_are_made_and_long_names_fit(tmp_path: Path) -> None:
    place = tmp_path / "not" / "yet" / ("n" * 250)
    files.write_text(place, "text")
    assert place.read_text() == "text"


def test_a_device_is_written_to_and_not_replaced() -> None:
    files.write_text(os.devnull, "text")
    assert Path(os.devnull).is_char_device()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "it has no name"),
        (".", "it is a directory"),
        ("file/under", "file is not a directory"),
        ("n" * 300, "File name too long"),
        ("/dev/full", "No space left on device"),
    ],
)
def test_places_that_take_no_file(
    name: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("")
    with pytest.raises(InputError, match=said) as refused:
        files.write_text(name, "text")
    assert refused.value.accepted
    assert os.listdir() == ["file"]


def test_places_are_refused_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    for taken in (tmp_path, tmp_path / "file" / "under"):
        with pytest.raises(InputError, match="cannot be written"):
            files.check_place(taken)
    for taken in (tmp_path, tmp_path / "file", tmp_path / "file" / "under"):
        with pytest.raises(BundleError):
            bundle.check_place(taken)
    bundle.check_place(tmp_path / "new" / "bundle")
    monkeypatch.setattr(os, "access", lambda *_: False)  # whoever runs the tests may be root
    with pytest.raises(InputError, match="may not be written to"):
        files.check_place(tmp_path / "new")
    with pytest.raises(BundleError, match="may not be written to"):
        bundle.check_place(tmp_path / "new")
