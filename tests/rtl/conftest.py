"""RTL tests: the designs as files, and vectors run through a Verilated harness."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from penstock import rtl
from penstock.sim.rtl.verilator import build

Vectors = NDArray[np.uint32]
HARNESS = Path(__file__).parent / "harness"


@pytest.fixture(scope="session")
def design_sources(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The BitMoD design as files, packages first."""
    return write_sources(tmp_path_factory.mktemp("rtl"), rtl.sources("common", "bitmod"))


@pytest.fixture(scope="session")
def design_properties(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Its assertions as files."""
    return write_sources(tmp_path_factory.mktemp("props"), rtl.properties("common", "bitmod"))


@pytest.fixture(scope="session")
def fusemax_sources(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The FuseMax design as files, packages first."""
    return write_sources(tmp_path_factory.mktemp("fusemax"), rtl.sources("common", "fusemax"))


@pytest.fixture(scope="session")
def fusemax_properties(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Its assertions as files."""
    return write_sources(tmp_path_factory.mktemp("fusemax_props"), rtl.properties("common", "fusemax"))


@pytest.fixture(scope="session")
def sn40l_sources(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The SN40L design as files, packages first."""
    return write_sources(tmp_path_factory.mktemp("sn40l"), rtl.sources("common", "sn40l"))


@pytest.fixture(scope="session")
def sn40l_properties(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Its assertions as files."""
    return write_sources(tmp_path_factory.mktemp("sn40l_props"), rtl.properties("common", "sn40l"))


@pytest.fixture(scope="session")
def sn40l_files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The SN40L's design and its assertions as files."""
    texts = {**rtl.sources("common", "sn40l"), **rtl.properties("common", "sn40l")}
    return write_sources(tmp_path_factory.mktemp("sn40l"), texts)


def write_sources(folder: Path, texts: dict[str, str]) -> list[Path]:
    """Write sources to a folder, in order."""
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in texts]


def stream_vectors(
    sources: list[Path], harness: str, inputs: Vectors, folder: Path, arguments: tuple[str, ...] = ()
) -> Vectors:
    """Run a harness: uint32 ``[cycles, 4]`` in, the same out; with more arguments, plusargs for instance."""
    assert inputs.dtype == np.uint32
    assert inputs.shape[1] == 4
    model = build([*sources, HARNESS / f"{harness}.sv"], harness, HARNESS / "stream_main.cpp")
    inputs.tofile(folder / "in.bin")
    command = [model.executable, folder / "in.bin", folder / "out.bin", *arguments]
    subprocess.run(command, check=True, env=os.environ)
    return np.fromfile(folder / "out.bin", np.uint32).reshape(inputs.shape)


@pytest.fixture(scope="session")
def run_vectors(
    design_sources: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, Vectors], Vectors]:
    """``run_vectors(harness, inputs)``: `stream_vectors` on the BitMoD design."""

    def run(harness: str, inputs: Vectors) -> Vectors:
        return stream_vectors(design_sources, harness, inputs, tmp_path_factory.mktemp(harness))

    return run


@pytest.fixture(scope="session")
def run_fusemax(
    fusemax_sources: list[Path], fusemax_properties: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, Vectors], Vectors]:
    """``run_fusemax(harness, inputs)``: `stream_vectors` on the FuseMax design and its assertions."""

    def run(harness: str, inputs: Vectors) -> Vectors:
        sources = [*fusemax_sources, *fusemax_properties]
        return stream_vectors(sources, harness, inputs, tmp_path_factory.mktemp(harness))

    return run
