"""Progress is shown to people at a terminal who wait, and to nobody else."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event

import pytest

from penstock import cli, commands, progress
from penstock.outcome import Outcome


class Terminal(io.StringIO):
    """A terminal that tells when a word is shown."""

    def __init__(self, word: str = "") -> None:
        super().__init__()
        self.word, self.shown = word, Event()

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        count = super().write(text)
        if self.word and self.word in self.getvalue():
            self.shown.set()
        return count


def test_nothing_is_reported_where_no_terminal_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", io.StringIO())
    with progress.bar() as update:
        assert update is None


def test_quick_work_stays_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setattr(progress, "PATIENCE_S", 3600.0)
    with progress.bar() as update:
        assert update is not None
        update("fuse", 1, 4)
    assert "fuse" not in terminal.getvalue()


def test_long_work_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal("simulate")
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(progress, "PATIENCE_S", 0.0)
    with progress.bar() as update:
        assert update is not None
        update("simulate", 10, 40)
        assert terminal.shown.wait(600), "the bar never came"


def test_a_bar_inside_a_bar_is_the_same_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", Terminal())
    with progress.bar() as outer:
        with progress.bar() as inner:
            assert inner is outer
        with progress.bar() as again:
            assert again is outer
    with progress.bar() as later:
        assert later is not outer


def test_every_command_has_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    entered: list[str] = []

    @contextmanager
    def bar() -> Iterator[None]:
        entered.append("bar")
        yield
        entered.append("no bar")

    monkeypatch.setattr(progress, "bar", bar)
    monkeypatch.setattr(commands, "list_models", lambda _: entered.append("work") or Outcome({}, ""))
    assert cli.main(["models"]) == cli.DONE
    assert entered == ["bar", "work", "no bar"]


def test_a_failure_inside_stops_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", Terminal())
    with pytest.raises(ValueError, match="inside"), progress.bar():
        raise ValueError("inside")
