"""Forms the groups of a function: every Einsum ends in exactly one ``cascade.fused``.

In order: cascades with a one-pass form; contractions with the pointwise work that follows them, but linear
layers on packed weights with their bias alone; rows, that is reductions with their pointwise neighbours; what
is left, pointwise chains. A group never holds two
contractions (but for the iterative ones), never spans what is not an Einsum, and never closes a cycle.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ...ir.linear import Linear, is_bias, packable, read_linear
from ...ir.quantized import mark_of
from ..graph import Graph, Node, Tensor, einsum_node, relabel_operands
from .region import Border, Finder, Region, border, is_cheap, is_contraction, is_product, names_from_readers
from .rewrite import Rewriting, measure, one_pass
from .steps import fresh_name


@dataclass(eq=False)
class Group:
    """Nodes that become one kernel.

    Attributes:
        kind: ``attention``, ``iterate``, ``contract``, ``linear`` (on packed weights), ``rows`` or ``map``:
            what shape of loop nest it is.
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
        self.repeat_coordinates()
        self.iterations()
        self.producers = self.graph.producers()
        self.consumers = self.graph.consumers()
        self.contractions()
        self.rows()
        self.pointwise()
        self.merge_maps()
        return self.groups

    def claim(self, group: Group) -> None:
        """Take a group in."""
        self.groups.append(group)
        self.owner.update(dict.fromkeys(group.region.members, group))

    def free(self, node: Node) -> bool:
        """Whether it is an Einsum of no group yet."""
        return node.einsum is not None and node not in self.owner

    # Cascades with a one-pass form.

    def iterations(self) -> None:
        """Groups of the cascades with a one-pass form."""
        for seed in list(self.graph.nodes):
            if not self.free(seed) or is_product(seed) or len(seed.notation.reduced) != 1:
                continue
            region, rank = Finder(self.graph, set(self.owner), contractions=True).around(seed)
            found = self.rewritten(region, rank[0])
            if found is None:
                continue
            self.claim(found)

    def rewritten(self, region: Region, rank: str) -> Group | None:
        """The region as a group with its one-pass form, or None where it has none."""
        nodes = region.ordered(self.graph)
        crossing = border(self.graph, nodes, frozenset())
        names = local_names(nodes, crossing)
        rewriting = one_pass(region.cascade(nodes, crossing.outputs, names), rank, self.tile)
        if rewriting is None:
            return None
        folds = [n for n in nodes if is_product(n) and rank in _reduced(region, n)]
        makes = [n for n in nodes if is_product(n) and rank not in _reduced(region, n)]
        kind = "attention" if folds and makes else "iterate"
        self.repeat(region, crossing)
        return Group(kind, region, (rank,), rewriting)

    def repeat(self, region: Region, crossing: Border) -> None:
        """Give the outside its own copy of cheap members that it needs as well."""
        for node in crossing.repeated:
            outside = [n for n in self.graph.nodes if node.result in n.operands and n not in region.members]
            self.twin(node, outside)

    def twin(self, node: Node, readers: list[Node]) -> None:
        """A second node that computes the same, for some of its readers."""
        tensor = self.graph.tensor(node.result.stem, node.result.shape, node.result.element)
        made = einsum_node(node.notation, node.operands, tensor, node)
        for reader in readers:
            reader.operands = [tensor if each is node.result else each for each in reader.operands]
            relabel_operands(reader)
        if any(reader.op is not None for reader in readers):
            made.fx, node.fx = node.fx, None
        self.graph.nodes.insert(self.graph.nodes.index(node), made)

    def repeat_coordinates(self) -> None:
        """What depends on coordinates alone (a causal mask) is computed by each of its readers."""
        producers = self.graph.producers()
        bare: set[Node] = set()
        for node in self.graph.nodes:
            if node.pointwise and all(producers.get(tensor) in bare for tensor in node.operands):
                bare.add(node)
        for node in reversed(list(self.graph.nodes)):
            if node in bare:
                readers = [each for each in self.graph.nodes if node.result in each.operands]
                for reader in readers[1:]:
                    self.twin(node, [reader])

    # Contractions and their epilogues.

    def contractions(self) -> None:
        """A group per contraction, then its epilogue; later ones first, which residual sums belong to."""
        for node in self.graph.nodes:
            if self.free(node) and is_contraction(node):
                region = Region()
                region.add(node, {rank: rank for rank in node.notation.ranks})
                linear = packed_linear(self.graph, node)
                self.claim(Group("linear" if linear else "contract", region, node.notation.reduced))
                if linear:
                    self.add_bias(node, linear)
        for group in reversed(list(self.groups)):
            if group.kind == "contract":
                self.extend(group, set(self.space(group)))

    def add_bias(self, node: Node, linear: Linear) -> None:
        """Take a bias in: a vector of channels added to what nobody else reads."""
        group, readers = self.owner[node], self.consumers.get(node.result, [])
        if len(readers) != 1 or not self.free(readers[0]) or len(readers[0].operands) != 2:
            return
        add = readers[0]
        place = add.operands.index(node.result)
        vector = add.operands[1 - place]
        mapping = group.region.fits(add, group.region.dims)
        shapes = [tensor.shape for tensor in add.operands]
        if (
            mapping is not None
            and vector in self.graph.arguments
            and {vector.element, add.result.element} == {"f32"}
            and is_bias(add.notation, place, shapes, add.result.shape, linear)
        ):
            group.region.add(add, mapping)
            self.owner[add] = group

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
        """A group per remaining reduction, with the neighbours that iterate over its ranks."""
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
        """Groups of what is left, each node with a producer of the same iteration space."""
        for node in self.graph.nodes:
            if not self.free(node):
                continue
            makers = {self.owner.get(self.producers[t]) for t in node.operands if t in self.producers}
            joined = any(self.join_map(node, group) for group in reversed(self.groups) if group in makers)
            if not joined:
                region = Region()
                region.add(node, {rank: rank for rank in node.notation.ranks})
                self.claim(Group("map", region))

    def merge_maps(self) -> None:
        """Put pointwise groups that feed only one other pointwise group into it."""
        for group in reversed([each for each in self.groups if each.kind == "map"]):
            readers = {
                self.owner.get(reader)
                for node in group.region.members
                for reader in self.consumers.get(node.result, [])
            } - {group}
            target = next(iter(readers), None)
            if len(readers) == 1 and target is not None and target.kind == "map":
                self.merge(group, target)

    def merge(self, group: Group, target: Group) -> None:
        """Move members over, consumers first, where every rank of theirs is one of the target's."""
        moved: list[Node] = []
        space = set(target.region.extents)
        for node in reversed(group.region.ordered(self.graph)):
            readers = self.consumers.get(node.result, [])
            mapping = names_from_readers(target.region, node, node.result, readers)
            if mapping is None or {mapping.get(rank) for rank in node.notation.ranks} - space:
                for each in moved:
                    del target.region.members[each], target.region.dims[each.result]
                return
            target.region.add(node, mapping)
            moved.append(node)
        self.groups.remove(group)
        self.owner.update(dict.fromkeys(moved, target))

    def join_map(self, node: Node, group: Group) -> bool:
        """Put a node into a pointwise group if it iterates over the same ranks; whether it does."""
        if group.kind != "map" or not self.legal(node, group):
            return False
        mapping = group.region.fits(node, group.region.dims)
        if mapping is None or {mapping.get(r) for r in node.notation.ranks} != set(self.space(group)):
            return False
        group.region.add(node, mapping)
        self.owner[node] = group
        return True


def packed_linear(graph: Graph, node: Node) -> Linear | None:
    """The linear layer on packed weights that a contraction is, or None."""
    shapes = [tensor.shape for tensor in node.operands]
    if any(tensor.element != "f32" for tensor in (*node.operands, node.result)):
        return None
    for place, tensor in enumerate(node.operands):
        if tensor not in graph.arguments:
            continue
        mark = mark_of(graph.function, graph.arguments.index(tensor))
        linear = (
            read_linear(node.notation, shapes, node.result.shape, place, mark)
            if mark is not None and packable(mark)
            else None
        )
        if linear is not None:
            return linear
    return None


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
