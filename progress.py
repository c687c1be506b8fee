"""Progress bars: on standard error, only at a terminal, only for work that takes longer than two seconds."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Timer

Progress = Callable[[str, float, float | None], None]
"""``progress(label, done, total)``: what is being done, how far, and of how much (None: unknown)."""

PATIENCE_S = 2.0
"""How long work may take before it owes an explanation."""


_current: list[Progress] = []
"""The bar there is, where one is."""


@contextmanager
def bar() -> Iterator[Progress | None]:
    """A function to report progress to, or None where nobody is looking; inside another bar, that one's."""
    if _current or not sys.stderr.isatty():
        yield _current[0] if _current else None
        return
    from rich.console import Console
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    left = (TextColumn("left"), TimeRemainingColumn())
    shown = Bar(*columns, *left, console=Console(stderr=True), transient=True)
    task = shown.add_task("working", total=None)

    def update(label: str, done: float, total: float | None) -> None:
        shown.update(task, description=label, completed=done, total=total)

    wait = Timer(PATIENCE_S, shown.start)
    wait.daemon = True
    wait.start()
    _current.append(update)
    try:
        yield update
    finally:
        _current.clear()
        wait.cancel()
        wait.join()
        shown.stop()
