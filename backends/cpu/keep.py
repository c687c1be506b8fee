"""Errors of functions that C calls."""

from __future__ import annotations


class Keep:
    """Keeps the error raised inside it: none can pass through C."""

    error: BaseException | None = None

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        self.error = error
        return True

    def settle(self) -> None:
        """Raise what was kept, once."""
        error, self.error = self.error, None
        if error is not None:
            raise error
