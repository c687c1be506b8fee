"""The house keeps its shape: imports are relative and public, and doctor knows every environment variable."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.doctor import VARIABLES

PACKAGES = ("backends", "frontend", "ir", "passes", "reproduce", "rtl", "sim")


def sources(checkout: Path) -> Iterator[Path]:
    yield from sorted(checkout.glob("*.py"))
    for package in PACKAGES:
        yield from sorted((checkout / package).rglob("*.py"))


def relative_imports(path: Path) -> Iterator[tuple[int, ast.ImportFrom]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            yield node.lineno, node


def test_sources_are_found(checkout: Path) -> None:
    assert len(list(sources(checkout))) > 10


def test_inside_the_package_imports_are_relative(checkout: Path) -> None:
    absolute = re.compile(r"^\s*(from|import) penstock\b", re.M)
    found = [str(path) for path in sources(checkout) if absolute.search(path.read_text(encoding="utf-8"))]
    assert not found, f"write `from ..x import y` in {found}"


def test_no_module_imports_another_packages_private_names(checkout: Path) -> None:
    reaching = []
    for path in sources(checkout):
        for line, node in relative_imports(path):
            parts = (node.module or "").split(".")
            names = [alias.name for alias in node.names]
            foreign = node.level > 1
            if foreign and any(name.startswith("_") and name != "__version__" for name in (*parts, *names)):
                reaching.append(f"{path}:{line}")
    assert not reaching, f"private names of another package imported at {reaching}"


def test_doctor_lists_every_environment_variable_read(checkout: Path) -> None:
    read = re.compile(r"""(?:environ(?:\.get)?|getenv)\s*[([]\s*["'](\w+)["']""")
    names = {name for path in sources(checkout) for name in read.findall(path.read_text(encoding="utf-8"))}
    assert names <= set(VARIABLES), f"add to doctor.VARIABLES: {sorted(names - set(VARIABLES))}"


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile"])
def test_the_front_matter_is_there(checkout: Path, name: str) -> None:
    assert (checkout / name).stat().st_size > 200
