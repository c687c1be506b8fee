"""A design's directory: templates filled in, and files written all of them or none."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from string import Template

from ...ir.errors import BundleError


class _Template(Template):
    delimiter = "@"


def fill(template: str, names: Mapping[str, object]) -> str:
    """A template of ``templates/`` with ``@{name}`` replaced."""
    text = (resources.files(__name__.rpartition(".")[0]) / "templates" / template).read_text(encoding="utf-8")
    return _Template(text).substitute(names)


def module_name(layer: str) -> str:
    """The name of the top module for a part of a model."""
    name = re.sub(r"\W+", "_", layer).strip("_").lower() + "_top"
    return f"layer_{name}" if name[0].isdigit() else name


def write(directory: Path, files: Mapping[str, bytes]) -> Path:
    """Write beside the directory, then rename; a failure leaves nothing behind.

    Args:
        directory: it must not exist yet, or be empty.
        files: relative path → content.

    Raises:
        BundleError: the directory cannot be written.
    """
    scratch: Path | None = None
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=directory.parent, prefix=f".{directory.name}-"))
        for name, content in files.items():
            (scratch / name).parent.mkdir(exist_ok=True)
            (scratch / name).write_bytes(content)
        scratch.chmod(0o755)
        os.rename(scratch, directory)
    except OSError as error:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)
        raise BundleError(
            f"cannot write: {error.strerror or error}",
            where=str(directory),
            accepted="a new or empty directory",
        ) from error
    return directory
