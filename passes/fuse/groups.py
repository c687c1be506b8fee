"""Forms the groups of a function: every Einsum ends in exactly one ``cascade.fused``.

In order: cascades with a one-pass form; contractions with the pointwise work that follows them; rows, that
is reductions with their pointwise neighbours; what is left, pointwise chains. A group never holds two
contractions (but for the iterative ones), never spans what is not an Einsum, and never closes a cycle.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ..graph import Graph, Node, Tensor, einsum_node, relabel_operands
from .region import Border, Finder, Region, border, is_cheap, is_contraction
from .rewrite import Rewriting, measure, one_pass
from .steps import fresh_name


@dataclass(eq=False)
class Group:
    """Nodes that become one kernel.

    Attributes:
        kind: ``attention``, ``iterate``, ``contract``, ``rows`` or ``map``: what shape of loop nest it is.
        region: its members with unified ranks.
        over: ranks that its reductions fold.
        rewriting: the analysis, and the rewritten cascade when there is one.
        repeated: members that are computed outside as well.
    """

    kind: str
    region: Region
    over: tuple[str, ...] = ()
    rewriting: Rewriting | None = None
    repeated: frozenset[Node] = frozenset()


@dataclass
class Former:
    """Forms groups in one function.

    Attributes:
        graph: the function.
        tile: extent of the inner sub-rank of iterative groups.
    """

    graph: Graph
    tile: int
    owner: dict[Node, Group] = field(default_factory=dict)
    groups: list[Group] = field(default_factory=list)

    def run(self) -> list[Group]:
        """All groups, covering every Einsum of the function."""
        self.iterations()
        self.producers = self.graph.producers()
        self.consumers = self.graph.consumers()
        self.contractions()
        self.rows()
        self.pointwise()
        return self.groups

    def claim(self, group: Group) -> None:
        self.groups.append(group)
        self.owner.update({node: group for node in group.region.members})

    def free(self, node: Node) -> bool:
        return node.einsum is not None and node not in self.owner

    # Cascades with a one-pass form.

    def iterations(self) -> None:
        tried: set[Node] = set()
        for seed in list(self.graph.nodes):
            if not self.free(seed) or seed in tried or seed.notation.reduce is None or is_contraction(seed):
                continue
            if len(seed.notation.reduced) != 1:
                continue
            region, rank = Finder(self.graph, set(self.owner), contractions=True).around(seed)
            found = self.rewritten(region, rank[0])
            if found is None:
                continue
            self.claim(found)

    def rewritten(self, region: Region, rank: str) -> Group | None:
        nodes = region.ordered(self.graph)
        crossing = border(self.graph, nodes, frozenset())
        names = local_names(nodes, crossing)
        rewriting = one_pass(region.cascade(nodes, crossing.outputs, names), rank, self.tile)
        if rewriting is None:
            return None
        folds = [n for n in nodes if is_contraction(n) and rank in _reduced(region, n)]
        makes = [n for n in nodes if is_contraction(n) and rank not in _reduced(region, n)]
        kind = "attention" if folds and makes else "iterate"
        self.repeat(region, crossing)
        return Group(kind, region, (rank,), rewriting)

    def repeat(self, region: Region, crossing: Border) -> None:
        """Give the outside its own copy of cheap members that it needs as well."""
        for node in crossing.repeated:
            twin = einsum_node(
                node.notation,
                node.operands,
                self.graph.tensor(node.result.stem, node.result.shape, node.result.element),
                node,
                node.fx,
            )
            twin.results[0], node.results[0] = node.results[0], twin.results[0]
            region.dims[node.result] = region.dims.pop(twin.result)
            for reader in self.graph.nodes:
                if reader in region.members and twin.result in reader.operands:
                    reader.operands = [node.result if t is twin.result else t for t in reader.operands]
                    relabel_operands(reader)
            node.fx = None
            relabel_operands(node)
            relabel_operands(twin)
            self.graph.nodes.insert(self.graph.nodes.index(node), twin)

    # Contractions and their epilogues.

    def contractions(self) -> None:
        for node in self.graph.nodes:
            if self.free(node) and is_contraction(node):
                region = Region()
                region.add(node, {rank: rank for rank in node.notation.ranks})
                self.claim(Group("contract", region, node.notation.reduced))
        for group in reversed(list(self.groups)):
            if group.kind == "contract":
                self.extend(group, set(self.space(group)))

    def space(self, group: Group) -> tuple[str, ...]:
        """The output ranks of a group's first member."""
        first = next(iter(group.region.members))
        return group.region.dims[first.result]

    def extend(self, group: Group, space: set[str]) -> None:
        """Take in pointwise followers with the same iteration space, where that saves a tensor."""
        region = group.region
        start = min(self.graph.nodes.index(node) for node in region.members)
        added: list[Node] = []
        for node in self.graph.nodes[start + 1 :]:
            if not (self.free(node) and node.pointwise and any(t in region.dims for t in node.operands)):
                continue
            mapping = region.fits(node, region.dims)
            if mapping is None or {mapping.get(rank) for rank in node.notation.ranks} != space:
                continue
            if self.legal(node, group):
                region.add(node, mapping)
                self.owner[node] = group
                added.append(node)
        self.drop_leaking(group, added)

    def drop_leaking(self, group: Group, added: list[Node]) -> None:
        """Give back followers that read only what has to leave the group anyway."""
        members = group.region.members
        changed = True
        while changed:
            changed = False
            for node in list(added):
                inside = [t for t in node.operands if t in group.region.dims]
                saves = any(all(r in members for r in self.consumers.get(t, [])) for t in inside)
                if not inside or not saves:
                    added.remove(node)
                    del members[node], group.region.dims[node.result], self.owner[node]
                    changed = True

    def legal(self, node: Node, group: Group) -> bool:
        """Whether no path leads from the group through other nodes to this one."""
        seen: set[Node] = set()
        work = [p for t in node.operands if (p := self.producers.get(t)) and self.owner.get(p) is not group]
        while work:
            current = work.pop()
            if current in seen:
                continue
            owner = self.owner.get(current)
            if owner is group:
                return False
            together = list(owner.region.members) if owner is not None else [current]
            seen.update(together)
            work += [p for each in together for t in each.operands if (p := self.producers.get(t))]
        return True

    # Rows: reductions with what surrounds them.

    def rows(self) -> None:
        for seed in self.graph.nodes:
            if self.free(seed) and seed.notation.reduce is not None:
                region, rank = Finder(self.graph, set(self.owner), contractions=False).around(seed)
                group = Group("rows", region, rank)
                crossing = border(self.graph, region.members, frozenset())
                self.repeat(region, crossing)
                self.claim(group)
                self.producers, self.consumers = self.graph.producers(), self.graph.consumers()
                self.check_legal(group)

    def check_legal(self, group: Group) -> None:
        """Fall back to the reduction alone when the group would close a cycle through an earlier group."""
        if all(self.legal(node, group) for node in group.region.members):
            return
        seed = next(iter(group.region.members))
        for node in list(group.region.members):
            if node is not seed:
                del group.region.members[node], group.region.dims[node.result], self.owner[node]

    # Pointwise chains.

    def pointwise(self) -> None:
        for node in self.graph.nodes:
            if not self.free(node):
                continue
            makers = {self.owner.get(self.producers[t]) for t in node.operands if t in self.producers}
            joined = any(self.join_map(node, group) for group in reversed(self.groups) if group in makers)
            if not joined:
                region = Region()
                region.add(node, {rank: rank for rank in node.notation.ranks})
                self.claim(Group("map", region))

    def join_map(self, node: Node, group: Group) -> bool:
        if group.kind != "map" or not self.legal(node, group):
            return False
        mapping = group.region.fits(node, group.region.dims)
        if mapping is None or {mapping.get(r) for r in node.notation.ranks} != set(self.space(group)):
            return False
        group.region.add(node, mapping)
        self.owner[node] = group
        return True


def _reduced(region: Region, node: Node) -> tuple[str, ...]:
    return tuple(region.members[node][rank] for rank in node.notation.reduced)


def local_names(nodes: Iterable[Node], crossing: Border) -> dict[Tensor, str]:
    """Names for a group's tensors, unique in the group and the same for groups of the same shape."""
    names: dict[Tensor, str] = {}
    written = [node.result for node in nodes]
    for tensor in [*written, *crossing.inputs]:
        names[tensor] = fresh_name(tensor.stem or tensor.name, names.values())
    return names


def finish(graph: Graph, group: Group) -> tuple[Rewriting, Border, dict[Tensor, str]]:
    """The cascade of a formed group, its border and its tensor names."""
    nodes = group.region.ordered(graph)
    crossing = border(graph, nodes, frozenset(n.result for n in nodes if is_cheap(n)))
    names = local_names(nodes, crossing)
    if group.rewriting is not None:
        return group.rewriting, crossing, names
    cascade = group.region.cascade(nodes, crossing.outputs, names)
    over = group.over or tuple(cascade.einsums[-1].output.ranks)
    return measure(cascade, over[-1] if over else ""), crossing, names
