"""Everything the analysis says of one cascade, as values and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...ir.errors import InputError
from ...ir.targets import Target
from ...ir.view import Cascade
from .bounds import Bound, lower_bounds
from .footprint import einsum_counts
from .intensity import Intensity, intensity
from .ranks import RankReport, rank_reports
from .sizes import ranks_of, require_extents
from .traffic import Phase, Traffic, least_traffic

if TYPE_CHECKING:
    from ..rewrites import Candidate, Search

WORD_BYTES = 2
"""Bytes of an element where nothing says otherwise: FuseMax §VI-A, 16-bit words."""


@dataclass(frozen=True)
class Question:
    """What is asked beyond structure.

    Attributes:
        buffer_bytes: capacity of the on-chip buffer, None to leave traffic out.
        element_bytes: bytes of an element.
        rank: only this rank, all when None.
        rewrites: whether legal rewritings are listed, and searched where a buffer is given.
        target: the machine whose arithmetic the search weighs work by.
    """

    buffer_bytes: int | None = None
    element_bytes: int = WORD_BYTES
    rank: str | None = None
    rewrites: bool = True
    target: Target | None = None

    @property
    def buffer_elements(self) -> int | None:
        """Capacity in elements."""
        return None if self.buffer_bytes is None else self.buffer_bytes // self.element_bytes


@dataclass(frozen=True)
class Analysis:
    """The analysis of one cascade.

    Attributes:
        cascade: what was analysed.
        question: what was asked.
        ranks: passes, levels and footprints, per rank.
        intensity: operations and compulsory traffic.
        traffic: the least found for the buffer, None where none was given.
        single: likewise, with nothing computed twice.
        bounds: lower bounds, largest first.
        rewrites: what may be done to the cascade.
        search: the best cascade found by rewriting, None where no buffer was given.
    """

    cascade: Cascade
    question: Question
    ranks: tuple[RankReport, ...]
    intensity: Intensity
    traffic: Traffic | None = None
    single: Traffic | None = None
    bounds: tuple[Bound, ...] = ()
    rewrites: tuple[Candidate, ...] = ()
    search: Search | None = None

    @property
    def known(self) -> bool:
        """Whether every rank has an extent."""
        return all(self.cascade.extents.get(rank, 0) > 0 for rank in ranks_of(self.cascade))

    def to_json(self) -> dict[str, object]:
        """The analysis as a JSON object."""
        cascade, words = self.cascade, self.question.element_bytes
        ratios: dict[str, object] = {
            "operations": str(self.intensity.operations),
            "compulsory_elements": str(self.intensity.compulsory),
            "element_bytes": words,
        }
        if self.known:
            ratios["at"] = self.intensity.at(cascade, words)
        return {
            "einsums": [str(einsum) for einsum in cascade.all],
            "extents": dict(cascade.extents),
            "passes": {
                each.name: {
                    "ranks": list(each.count.family),
                    "passes": each.count.passes,
                    "by_root": each.count.by_root,
                }
                for each in self.ranks
            },
            "levels": {
                each.name: {
                    "tensors": each.count.levels,
                    "fuse": [{"level": level, "tensors": list(names)} for level, names in each.fused],
                }
                for each in self.ranks
            },
            "footprints": {each.name: each.to_json(cascade, self.known) for each in self.ranks},
            "operations": _operations(self),
            "intensity": ratios,
            "traffic": self._traffic(),
            "bounds": self._bounds(),
            "rewrites": [candidate.to_json() for candidate in self.rewrites],
            "search": None if self.search is None else self.search.to_json(),
        }

    def _traffic(self) -> dict[str, object] | None:
        if self.traffic is None or self.single is None:
            return None
        words = self.question.element_bytes
        return {
            "buffer_bytes": self.question.buffer_bytes,
            **traffic_json(self.traffic, words),
            "without_recomputation": traffic_json(self.single, words),
        }

    def _bounds(self) -> dict[str, object] | None:
        if not self.bounds or self.traffic is None:
            return None
        words = self.question.element_bytes
        largest = self.bounds[0].elements
        return {
            "elements": largest,
            "bytes": largest * words,
            "traffic_over_bound": round(self.traffic.elements / largest, 6),
            "each": [vars(bound) for bound in self.bounds],
        }


def traffic_json(traffic: Traffic, element_bytes: int) -> dict[str, object]:
    """A schedule's traffic as a JSON object."""
    return {
        "buffer_elements": traffic.buffer_elements,
        "elements": traffic.elements,
        "bytes": traffic.bytes(element_bytes),
        "compulsory_elements": traffic.compulsory,
        "over_compulsory": round(traffic.elements / traffic.compulsory, 6),
        "phases": [_phase(phase) for phase in traffic.phases],
    }


def _phase(phase: Phase) -> dict[str, object]:
    return {
        "tensors": list(phase.tensors),
        "stream": list(phase.stream),
        "blocks": dict(phase.blocks),
        "traversals": phase.passes,
        "kept": list(phase.kept),
        "spilled": list(phase.spilled),
        "recomputed": list(phase.recomputed),
        "made": dict(phase.made),
        "occupancy": phase.occupancy,
        "moves": [{**vars(move), "times": round(move.times, 6)} for move in phase.moves],
    }


def _operations(analysis: Analysis) -> dict[str, object]:
    classes = analysis.intensity.classes
    found: dict[str, object] = {
        "total": str(analysis.intensity.operations),
        "by_class": {kind: str(count) for kind, count in classes.items()},
        "by_einsum": {
            einsum.output.tensor: {kind: str(count) for kind, count in einsum_counts(einsum).items()}
            for einsum in analysis.cascade.einsums
        },
    }
    if analysis.known:
        found["at"] = {kind: count.at(analysis.cascade.extents) for kind, count in classes.items()}
    return found


def analyse(cascade: Cascade, question: Question) -> Analysis:
    """Analyse a cascade.

    Raises:
        NotationError: no Einsum has the rank asked about.
        InputError: a buffer is given and a rank has no extent, or the buffer is too small for one point.
    """
    ranks = rank_reports(cascade, question.rank)
    buffer = question.buffer_elements
    if buffer is None:
        found = _rewrites(cascade, question.rank) if question.rewrites else ()
        return Analysis(cascade, question, ranks, intensity(cascade), rewrites=found)
    if buffer < 1:
        raise InputError(
            f"a buffer of {question.buffer_bytes} bytes holds no element of {question.element_bytes} bytes",
            accepted="--buffer BYTES, larger than an element",
        )
    require_extents(cascade)
    traffic = least_traffic(cascade, buffer)
    single = least_traffic(cascade, buffer, recompute=False)
    search = None
    found = ()
    if question.rewrites and ranks:
        from ..rewrites import search as search_rewrites  # which itself analyses what it makes

        found = _rewrites(cascade, question.rank)
        search = search_rewrites(cascade, buffer_elements=buffer, cost=question.target)
    return Analysis(
        cascade,
        question,
        ranks,
        intensity(cascade),
        traffic,
        single if single.elements > traffic.elements else traffic,
        lower_bounds(cascade, buffer),
        found,
        search,
    )


def _rewrites(cascade: Cascade, rank: str | None) -> tuple[Candidate, ...]:
    if not ranks_of(cascade):
        return ()
    from ..rewrites import legal_rewrites  # which itself analyses what it makes

    return legal_rewrites(cascade, rank)
