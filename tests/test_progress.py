"""Progress is shown to people at a terminal who wait, and to nobody else."""

from __future__ import annotations

import io
import time

import pytest

from penstock import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_nothing_is_reported_where_no_terminal_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", io.StringIO())
    with progress.bar() as update:
        assert update is None


def test_quick_work_stays_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with progress.bar() as update:
        assert update is not None
        update("fuse", 1, 4)
    assert "fuse" not in terminal.getvalue()


def test_long_work_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(progress, "PATIENCE_S", 0.01)
    with progress.bar() as update:
        assert update is not None
        update("simulate", 10, 40)
        time.sleep(0.5)
    assert "simulate" in terminal.getvalue()


def test_a_failure_inside_stops_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", Terminal())
    with pytest.raises(ValueError, match="inside"), progress.bar():
        raise ValueError("inside")
