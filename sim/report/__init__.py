"""Reports of bundles: tables for the terminal, JSON, and one self-contained HTML page.

Everything comes from the JSON files of the bundle directories; nothing is compiled or run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...ir.files import write_text
from .contents import Contents, read

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["Contents", "Report", "read", "render_html", "report", "terminal_tables", "to_json"]


@dataclass(frozen=True)
class Report:
    """The report of some bundles, and the page where one was written."""

    bundles: tuple[Contents, ...]
    html: Path | None

    def text(self) -> str:
        """The terminal's tables as plain text."""
        from .terminal import text

        return text(self.bundles)

    def to_json(self) -> dict[str, Any]:
        """``{"bundles": […], "html": path or null}``."""
        return {
            "bundles": [_json(contents) for contents in self.bundles],
            "html": self.html and str(self.html),
        }


def report(bundle_dirs: Sequence[str | Path], out: str | Path | None = None) -> Report:
    """Read the bundles and, with ``out``, write the page.

    Raises:
        BundleError: a bundle that cannot be read, or a place that cannot be written to.
    """
    bundles = tuple(read(bundle_dir) for bundle_dir in bundle_dirs)
    return Report(bundles, None if out is None else _write(bundles, Path(out)))


def render_html(bundle_dirs: str | Path | Sequence[str | Path], out: str | Path) -> Path:
    """Write the page for one or more bundles and give its path.

    Raises:
        BundleError: a bundle that cannot be read, or a place that cannot be written to.
    """
    given = [bundle_dirs] if isinstance(bundle_dirs, (str, Path)) else bundle_dirs
    return _write([read(bundle_dir) for bundle_dir in given], Path(out))


def terminal_tables(bundle_dir: str | Path) -> RenderableType:
    """The report of a bundle as something a rich console prints.

    Raises:
        BundleError: the bundle cannot be read.
    """
    from .terminal import tables

    return tables(read(bundle_dir))


def to_json(bundle_dir: str | Path) -> dict[str, Any]:
    """The report of a bundle as one JSON object.

    Raises:
        BundleError: the bundle cannot be read.
    """
    return _json(read(bundle_dir))


def _write(bundles: Sequence[Contents], place: Path) -> Path:
    from .html import page  # the plots need matplotlib, which takes a while to import

    write_text(place, page(bundles))
    return place


def _json(contents: Contents) -> dict[str, Any]:
    return {
        "bundle": contents.name,
        "model": dict(contents.manifest["model"]),
        "parameters": contents.parameters,
        "parameter_bytes": contents.parameter_bytes,
        "cost": contents.cost.to_json(),
        "memory": {
            name: {
                "before_bytes": memory.series.peak_before_bytes,
                "after_bytes": memory.series.peak_after_bytes,
                "lower_bound_bytes": memory.lower_bound_bytes,
                "solver": memory.solver,
            }
            for name, memory in contents.memory.items()
        },
        "kernels": [kernel.to_json() for kernel in contents.kernels],
        **({"far_weights": contents.far.to_json()} if contents.far else {}),
        "maps": {name: found.to_json() for name, found in contents.maps.items()},
        "verification": contents.verification.to_json() if contents.verification else None,
        "rtl": [run.to_json() for run in contents.rtl_runs],
    }
