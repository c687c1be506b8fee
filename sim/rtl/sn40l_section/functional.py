"""A section of the fabric executed without cycles: every flow's vectors, every word of every stage buffer.

Packets of a flow keep their order, and a unit is read only once it is written; so what a unit makes depends
on its flows alone, and a section can be run unit by unit. Buffers are addressed word by word, as their
generators do, so that what a walk leaves out, writes twice or reads too early is found here. PCUs compute as
their oracle does, bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ....ir.errors import PlanError
from ....ir.fabric import LANES, Buffer, Compute, Load, Section
from ..run import Progress
from ..sn40l_pcu import oracle
from .pcus import configuration

Vectors = NDArray[np.float32]
"""``[vectors, 8]``."""


def execute(
    section: Section, memory: Mapping[str, Vectors], progress: Progress | None = None
) -> dict[str, Vectors]:
    """Run a section.

    Args:
        section: what is configured.
        memory: regions that are loaded.
        progress: told of units done.

    Returns:
        The regions that are stored.

    Raises:
        PlanError: a walk or a unit's length that does not fit.
    """
    flows: dict[str, Vectors] = {}
    stored: dict[str, Vectors] = {}
    for number, unit in enumerate(section.units):
        if progress:
            progress(f"executing {unit.name}", number, len(section.units))
        if isinstance(unit, Load):
            flows[unit.flow] = _loaded(unit, memory[unit.region], section.tiles)
        elif isinstance(unit, Buffer):
            flows |= buffered(unit, flows[unit.write].reshape(section.tiles, -1, LANES))
        elif isinstance(unit, Compute):
            operands = [oracle.Stream.clean(flows[each]) for each in unit.inputs]
            flows[unit.out] = oracle.run(configuration(unit, section.tiles), operands).vectors
        else:
            stored[unit.region] = flows[unit.flow]
    return stored


def _loaded(unit: Load, region: Vectors, tiles: int) -> Vectors:
    begins = np.arange(1 if unit.once else tiles) * unit.stride_vectors
    return region[(begins[:, None] + np.arange(unit.unit_vectors)).ravel()]


def buffered(buffer: Buffer, units: NDArray[np.float32]) -> dict[str, Vectors]:
    """What a buffer's readers make of the units written into it.

    Args:
        buffer: how it is written and read.
        units: ``[tiles, vectors, 8]``.

    Raises:
        PlanError: addresses that leave a unit, words written twice, or read and never written.
    """
    into = buffer.into.addresses()
    walks = {reader.flow: reader.walk.addresses() for reader in buffer.readers}
    for walk in (into, *walks.values()):
        if walk.min() < 0 or walk.max() >= buffer.words:
            raise PlanError(f"addresses leave its {buffer.words} words", where=buffer.name)
    if units.shape[1] != len(into) or np.unique(into).size != into.size:
        raise PlanError(
            f"{units.shape[1]} vectors for {np.unique(into).size} words in {len(into)} vectors",
            where=buffer.name,
        )
    written = np.zeros(buffer.words, bool)
    written[into] = True
    for flow, walk in walks.items():
        if not written[walk].all():
            raise PlanError(f"{flow} reads what was not written", where=buffer.name)
    words = np.zeros((len(units), buffer.words), np.float32)
    words[:, into] = units
    return {flow: words[:, walk].reshape(-1, LANES) for flow, walk in walks.items()}
