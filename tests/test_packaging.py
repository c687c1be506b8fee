"""What is installed is what is here: the package list, the data files, and a wheel that works elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

PACKAGES = ("backends", "frontend", "ir", "passes", "reproduce", "rtl", "sim")


def packages_in_tree(checkout: Path) -> set[str]:
    found = (init.parent for package in PACKAGES for init in (checkout / package).rglob("__init__.py"))
    return {"penstock", *(".".join(("penstock", *folder.relative_to(checkout).parts)) for folder in found)}


def files_in_tree(checkout: Path) -> set[str]:
    """Every file of the packages, code and data, as the wheel should name it."""
    below = (path for package in PACKAGES for path in (checkout / package).rglob("*") if path.is_file())
    found = [*checkout.glob("*.py"), *(path for path in below if "__pycache__" not in path.parts)]
    return {f"penstock/{path.relative_to(checkout)}" for path in found}


def run(*command: str, cwd: Path, timeout_s: float = 900) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(
        command, cwd=cwd, env=clean, capture_output=True, text=True, timeout=timeout_s, check=False
    )


def test_every_package_of_the_tree_is_listed(checkout: Path) -> None:
    project = tomllib.loads((checkout / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(project["tool"]["setuptools"]["packages"]) == packages_in_tree(checkout)


def test_every_python_folder_is_a_package(checkout: Path) -> None:
    folders = {path.parent for package in PACKAGES for path in (checkout / package).rglob("*.py")}
    assert not [str(folder) for folder in folders if not (folder / "__init__.py").exists()]


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy of the checkout, so that nothing is left behind in it."""
    place = tmp_path_factory.mktemp("wheel")
    source = place / "source"
    source.mkdir()
    kept = [*PACKAGES, "pyproject.toml", "README.md", "LICENSE", "py.typed"]
    kept += [path.name for path in checkout.glob("*.py")]
    subprocess.run(["cp", "-r", *(str(checkout / name) for name in kept), str(source)], check=True)
    built = run(sys.executable, "-m", "pip", "wheel", "--no-deps", "-q", "-w", str(place), ".", cwd=source)
    assert built.returncode == 0, built.stderr
    return next(place.glob("*.whl"))


@pytest.mark.slow
def test_the_wheel_holds_every_module_and_data_file(checkout: Path, wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    missing = files_in_tree(checkout) - held
    assert not missing, f"add to packages or package-data in pyproject.toml: {sorted(missing)}"
    strangers = {name for name in held if name.startswith(("penstock/tests", "penstock/build", "penstock/."))}
    assert not strangers


@pytest.mark.slow
def test_the_wheel_works_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    """Installed alone in a folder, with this environment's dependencies, the package answers from there."""
    site = tmp_path / "site"
    install = ("-m", "pip", "install", "-q", "--no-deps", "--target", str(site), str(wheel))
    assert run(sys.executable, *install, cwd=tmp_path).returncode == 0
    program = (
        f"import sys; sys.path.insert(0, {str(site)!r})\n"
        "import penstock, penstock.cli\n"
        f"assert penstock.__file__.startswith({str(site)!r}), penstock.__file__\n"
        "sys.exit(penstock.cli.main(['targets', '--json']))\n"
    )
    done = run(sys.executable, "-c", program, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert '"targets"' in done.stdout
