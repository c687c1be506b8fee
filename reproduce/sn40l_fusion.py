"""A decoder layer as one kernel, beside what SN40L says of one (section VI): its operators and units."""

from __future__ import annotations

from ..ir.errors import PlanError
from ..ir.module import parse_module
from ..ir.targets import load
from ..passes.sections import graphs
from ..passes.sections.partition import Prices
from ..sim.cost.streaming import Fabric, TooLarge
from .rows import Row

MODEL, TOKENS, TARGET = "llama-7b-layer", 4096, "sn40l-socket"
NOTE = "the paper's layers run on eight sockets, tensor parallel; ours on one"


def fusion_rows() -> list[Row]:
    """Rows of the layer's only section.

    Raises:
        PlanError: it does not fit.
    """
    from .. import api

    text = api.lower(f"zoo:{MODEL}", "relabel,simplify", shapes={"s": [TOKENS]})
    target = load(TARGET)
    fabric = Fabric.of(target)
    graph = next(iter(graphs(parse_module(text), target)[0].values()))
    prices = Prices(graph, fabric, None)
    found = prices.price(range(len(graph.operators)))
    if isinstance(found, TooLarge):
        raise PlanError(f"the layer needs {found.need} {found.what}", where=MODEL, accepted=f"{found.have}")
    (whole,) = prices.refine([found])
    source = "section VI: a whole decoder layer is one kernel, almost 90 % of PCUs and PMUs"
    name = f"fusion/{MODEL}"
    bytes_moved = {"MB": whole.off_chip_bytes / 1e6, "ms": whole.seconds * 1e3}
    return [
        Row(
            f"{name}/operators",
            float(len(whole.operators)),
            20.0,
            "operators",
            "section III-A: commonly 20 or more in a pipeline",
            bytes_moved,
            "a bound from below, not a count",
        ),
        Row(f"{name}/pcu_share", whole.pcus / fabric.pcus, 0.9, "share of PCUs", source, note=NOTE),
        Row(f"{name}/pmu_share", whole.pmus / fabric.pmus, 0.9, "share of PMUs", source, note=NOTE),
    ]
