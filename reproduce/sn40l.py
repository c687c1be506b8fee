"""SN40L (Prabhakar et al., MICRO 2024): table V, table I and the footprints of section VI-C beside ours.

The paper prints ratios and no times. Copies follow from sizes and bandwidths of the targets; the times of
router and runs are fitted to table V's batches of eight, and single requests predicted from them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from ..ir.targets import load
from ..sim.cost import coe
from ..sim.cost.streaming import Edge, off_chip_bytes
from .published import read
from .rows import Reproduction, Row, check
from .sn40l_fusion import fusion_rows
from .sn40l_serving import Service, serving_rows
from .sn40l_spill import spill_rows
from .sn40l_text import MISSING, NOTES, QUIRKS, sections

NODE = "sn40l-node"
MACHINES = {"a100": "dgx-a100", "h100": "dgx-h100"}
"""Column of table V → target."""
MODEL, EXPERTS = "llama-2-7b", 150
"""Of section II: 150 experts and a router, all of this size."""
BATCHES, FITTED_BATCH = (1, 8), 8
TOKENS = (20, 200)
POSITIONS = 4096
"""Of every prompt of a batch in the cache: the model's context, for prompt lengths are not published."""
CHAIN = ("gemm0", "mul", "transpose", "gemm1")
"""Figure 3's operators."""
FUSIONS: Mapping[str, tuple[int, ...]] = {
    "unfused": (0, 1, 2, 3),
    "partial": (0, 0, 0, 1),
    "full": (0, 0, 0, 0),
}
"""Row of table I → section of each operator."""

TABLE_V, RATIO, INTENSITY, EXACT = 0.02, 0.05, 0.05, 1e-9
"""Deviations allowed."""


@dataclass(frozen=True)
class Machines:
    """The node and the machines compared with, and the model whose copies run on them."""

    node: coe.Node
    others: Mapping[str, coe.Node]
    expert: coe.Expert

    @classmethod
    def of_targets(cls) -> Machines:
        """From the target files."""
        others = {name: coe.Node.of(load(target)) for name, target in MACHINES.items()}
        return cls(coe.Node.of(load(NODE)), others, coe.expert_of(MODEL))

    def resident(self, node: coe.Node) -> int:
        """Experts near at once, beside the router and the keys and values of a batch."""
        kv = self.expert.kv_bytes(FITTED_BATCH, POSITIONS)
        return node.resident(self.expert.bytes, self.expert.bytes + kv)

    def copy_s(self, name: str) -> float:
        """An expert's copy on one of the machines compared with."""
        return self.others[name].copy_s(self.expert.bytes)


@dataclass(frozen=True)
class TableV:
    """Table V as printed, and the times fitted to it."""

    machines: Machines

    @cached_property
    def printed(self) -> Mapping[tuple[str, str, str, int], float | None]:
        """Quantity, machine, batch and tokens → figure."""
        return {
            (line["quantity"], line["machine"], line["batch"], int(line["tokens"])): float(line["value"])
            if line["value"]
            else None
            for line in read("sn40l", "table5")
        }

    def observation(self, machine: str, batch: int, tokens: int) -> coe.Observation:
        """What a figure of the table is a ratio of; the router takes the ratio of the shortest run."""
        runs = {number: self.printed["run", machine, "", number] or 0.0 for number in TOKENS}
        return coe.Observation(
            batch,
            tokens,
            self.machines.node.copy_s(self.machines.expert.bytes),
            self.machines.copy_s(machine),
            router_ratio=runs[min(TOKENS)],
            run_ratio=runs[tokens],
            speedup=self.printed["overall", machine, str(batch), tokens],
        )

    @cached_property
    def fit(self) -> coe.Fit:
        """From the batches of eight alone."""
        return coe.fit(
            [self.observation(each, FITTED_BATCH, tokens) for each in MACHINES for tokens in TOKENS]
        )

    def rows(self) -> Iterator[Row]:
        """The overall speed-ups."""
        for machine in MACHINES:
            for batch in BATCHES:
                for tokens in TOKENS:
                    seen = self.observation(machine, batch, tokens)
                    least, most = self.fit.spread(seen)
                    yield Row(
                        f"coe/overall/{machine}/bs{batch}/{tokens}",
                        self.fit.times.speedup(seen),
                        seen.speedup,
                        "×",
                        "table V" if seen.speedup else "predicted; table V's figure was not at hand",
                        {"lowest": least, "highest": most},
                        NOTES["fitted" if batch == FITTED_BATCH else "predicted"],
                    )


def reproduce() -> Reproduction:
    """Compute everything."""
    machines = Machines.of_targets()
    table = TableV(machines)
    spilled, exact = spill_rows()
    served = serving_rows(_services(table))
    rows = [*table.rows(), *_footprints(machines), *_monarch(), *fusion_rows(), *served, *spilled]
    bounds = {
        "coe/overall": TABLE_V,
        "coe/switch_ratio": RATIO,
        "coe/footprint_nodes": EXACT,
        "monarch/intensity": INTENSITY,
    }
    compared = (
        check(name, bound, (row for row in rows if row.id.startswith(name))) for name, bound in bounds.items()
    )
    checks = (*compared, *exact)
    return Reproduction(
        paper="sn40l",
        rows=tuple(rows),
        how="computed",
        checks=checks,
        quirks=QUIRKS,
        missing=MISSING,
        sections=sections(rows, table.fit.times, checks),
    )


def _services(table: TableV) -> dict[str, Service]:
    """The node and the others at work, by name: runs of the fewest tokens."""
    times, machines = table.fit.times, table.machines
    run_s = times.run_s[min(TOKENS)]
    found = {
        "sn40l": Service(
            machines.node, machines.resident(machines.node), _work(machines, times.router_s, run_s)
        )
    }
    for name, node in machines.others.items():
        seen = table.observation(name, FITTED_BATCH, min(TOKENS))
        work = _work(machines, seen.router_ratio * times.router_s, seen.run_ratio * run_s)
        found[name] = Service(node, machines.resident(node), work)
    return found


def _work(machines: Machines, router_s: float, run_s: float) -> coe.Workload:
    return coe.Workload(machines.expert, router_s, run_s)


def _footprints(machines: Machines) -> Iterator[Row]:
    """What follows from sizes and bandwidths alone."""
    node, expert = machines.node, machines.expert
    dgx = machines.others["a100"]  # both have 640 GB
    stored = node.stored(expert.bytes)
    newer = coe.expert_of("llama-3-8b")
    ours: dict[str, float] = {
        f"coe/switch_ratio/{name}": machines.copy_s(name) / node.copy_s(expert.bytes) for name in MACHINES
    }
    held = int(_figures()["coe/experts_in_ddr"].paper or 0)
    ours |= {
        "coe/footprint_nodes": coe.nodes_needed(held, machines.resident(dgx)),
        "coe/experts_in_hbm": machines.resident(node),
        "coe/experts_in_hbm/dgx": machines.resident(dgx),
        "coe/experts_in_ddr": stored,
        "coe/experts_in_ddr/dgx": dgx.stored(expert.bytes),
        "coe/copy_s/llama-3-8b": newer.bytes / _far_bytes_per_s(),
    }
    for name, figure in _figures().items():
        if name in ours:
            yield Row(name, ours[name], figure.paper, figure.unit, figure.source, note=NOTES.get(name, ""))


def _far_bytes_per_s() -> float:
    """What the node's far memory can be read at, without the way to the near one."""
    target = load(NODE)
    return target.find_tier(coe.Node.of(target).far).bandwidth_read_bytes_per_s or 0.0


def _monarch() -> Iterator[Row]:
    """Table I: operations over off-chip bytes, by what is fused.

    Shapes are not in the text. With inputs and outputs of one unit together, the two fused rows give the
    operations and the size of an intermediate; the unfused row is predicted.
    """
    figures = _figures()
    printed = {name: figures[f"monarch/intensity/{name}"].paper or 0.0 for name in FUSIONS}
    cuts = off_chip_bytes(_edges(1.0), _sections("partial")) - off_chip_bytes(
        _edges(0.0), _sections("partial")
    )
    between = (printed["full"] / printed["partial"] - 1) / cuts
    operations = printed["full"] * off_chip_bytes(_edges(between), _sections("full"))
    for name in FUSIONS:
        row = figures[f"monarch/intensity/{name}"]
        ours = operations / off_chip_bytes(_edges(between), _sections(name))
        yield Row(row.id, ours, row.paper, row.unit, row.source, note=NOTES[f"monarch/{name}"])


def _edges(between: float) -> list[Edge]:
    """Figure 3's tensors: what enters and leaves, one unit together, and the three in between."""
    inner = [Edge(between, maker, (user,)) for maker, user in pairwise(CHAIN)]
    return [Edge(0.5, None, CHAIN[:1]), *inner, Edge(0.5, CHAIN[-1], ())]


def _sections(fusion: str) -> dict[str, int]:
    return dict(zip(CHAIN, FUSIONS[fusion], strict=True))


def _figures() -> dict[str, Row]:
    """The single figures as printed, in the file's order."""
    return {
        line["id"]: Row(line["id"], None, float(line["value"]), line["unit"], line["source"])
        for line in read("sn40l", "figures")
    }
