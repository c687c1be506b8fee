"""A Composition of Experts for ``sn40l_coe``: sections, programs of the kernel sequencer, memory images.

Every expert is one layer, ``y[t, n] = gelu(sum[k] x[t, k] W[n, k])`` over the eight tokens of a prompt; the
router is a layer over the first token of each prompt of a batch, whose highest result names the expert
(SN40L, MICRO 2024, section II, in miniature).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ....ir.errors import InputError
from ....ir.fabric import (
    DDR_BIT,
    LANES,
    PIECE_BYTES,
    WORD_BYTES,
    Buffer,
    Gemm,
    Load,
    Reader,
    Region,
    Section,
    Store,
    Walk,
)
from .configure import AGCU_SEGMENT, Placed
from .mesh import Mesh
from .place import place
from .route import route

TOKENS = LANES
"""Of a prompt: the rows of one vector of A."""
MESH = Mesh(rows=2, cols=3, agcu_cols=(0, 2))
"""Of ``sn40l_coe`` by default."""
PMU_WORDS = 4096
MOST_SLOTS = 64
MOST_BYTES = 1 << 30
X, WEIGHTS, Y = "x", "weights", "y"
Words = list[tuple[int, int, int]]
"""Triples of a unit, an address and 32 bits."""


@dataclass(frozen=True)
class Experts:
    """Experts of one shape, their router, and prompts that want them.

    Attributes:
        count: experts.
        width: of a token; an expert has width · width weights.
        seed: of all weights and prompts.
        state: whether a run writes its result into its expert, so that it must be copied back.

    Raises:
        InputError: a width the units cannot take, no expert, or more bytes than a simulation holds.
    """

    count: int
    width: int = 64
    seed: int = 0
    state: bool = False

    def __post_init__(self) -> None:
        if self.width % 16 or not 16 <= self.width <= PMU_WORDS // LANES:
            most = PMU_WORDS // LANES
            raise InputError(f"experts {self.width} wide", accepted=f"a multiple of 16, up to {most}")
        if not 1 <= self.count < 4095:
            raise InputError(f"{self.count} experts", accepted="1 to 4094")
        if self.count * self.stride > MOST_BYTES:
            told = f"{self.count} experts of {self.stride} bytes"
            raise InputError(told, accepted=f"{MOST_BYTES} bytes of experts")

    @property
    def weight_bytes(self) -> int:
        """Of an expert, only read."""
        return WORD_BYTES * self.width**2

    @property
    def prompt_bytes(self) -> int:
        """Of a prompt, and of its result."""
        return WORD_BYTES * TOKENS * self.width

    @property
    def writable_bytes(self) -> int:
        """Of an expert, written by a run; behind the weights."""
        return self.prompt_bytes if self.state else 0

    @property
    def stride(self) -> int:
        """From expert to expert, and from slot to slot."""
        return -(-(self.weight_bytes + self.writable_bytes) // PIECE_BYTES) * PIECE_BYTES

    @property
    def logits_bytes(self) -> int:
        """Of the router's result."""
        return WORD_BYTES * LANES * LANES * -(-self.count // LANES)

    @cached_property
    def router(self) -> NDArray[np.float32]:
        """``[count, width]``: a direction for each expert."""
        drawn = np.random.default_rng((self.seed, 0)).standard_normal((self.count, self.width))
        return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)

    def weights(self, expert: int) -> NDArray[np.float32]:
        """``[width, width]``, of one expert."""
        drawn = np.random.default_rng((self.seed, 1, expert)).standard_normal((self.width, self.width))
        return (drawn / np.sqrt(self.width)).astype(np.float32)

    def prompts(self, wanted: Sequence[int], seed: int = 0) -> NDArray[np.float32]:
        """``[prompts, TOKENS, width]``: the first token lies in the direction of the expert wanted."""
        random = np.random.default_rng((self.seed, 2, seed))
        found = random.standard_normal((len(wanted), TOKENS, self.width)).astype(np.float32)
        found[:, 0] = self.router[list(wanted)] + found[:, 0] * np.float32(0.02)
        return found

    def section(self, *, router: bool) -> Section:
        """What the fabric is for an expert, or for the router: memory, a stage buffer, a PCU, memory."""
        width, tiles = self.width, -(-(self.count if router else self.width) // LANES)
        rows = Walk(((width // LANES, LANES), (LANES, width)))
        columns = Walk(((width, 1), (tiles, 0)), lane=width)
        name = "router" if router else "expert"
        return Section(
            name,
            1,
            (
                Load(X, "x", X, width, 0),
                Buffer("rows", "x[t, k]", LANES * width, 1, width, "x", rows, (Reader("a", columns),)),
                Load(WEIGHTS, "b", WEIGHTS, tiles * width, 0),
                Gemm(
                    "layer",
                    "y[t, n] = sum[k] x[t, k] W[n, k]",
                    "a",
                    "b",
                    "y",
                    width,
                    tiles,
                    1,
                    gelu=not router,
                ),
                Store(Y, "y", Y, tiles * LANES, 0),
            ),
            {"a": 0},
            {
                X: Region(width, "source", X),
                WEIGHTS: Region(
                    tiles * width, "weights", WEIGHTS, columns=(0, tiles * LANES), depth=(0, width)
                ),
                Y: Region(tiles * LANES, "result", Y),
            },
        )


def packed(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """``[n, k]`` as ``[n / 8, k, 8]``, zeros behind the last n: the order in which the PCU takes it."""
    rows = -(-len(weights) // LANES) * LANES
    full = np.zeros((rows, weights.shape[1]), np.float32)
    full[: len(weights)] = weights
    return np.ascontiguousarray(full.reshape(-1, LANES, weights.shape[1]).transpose(0, 2, 1))


def unpacked(vectors: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    """Results ``[..., n / 8, t, 8]`` as ``[..., t, n]``."""
    tiles = vectors.reshape(*vectors.shape[:-1], width // LANES, TOKENS, LANES)
    return np.moveaxis(tiles, -2, -3).reshape(*vectors.shape[:-1], TOKENS, width)


@dataclass(frozen=True)
class Layout:
    """Where everything lies: byte addresses in HBM, experts from the beginning of DDR.

    Attributes:
        experts: whose.
        slots: of HBM.
        batch: prompts of a batch.
    """

    experts: Experts
    slots: int
    batch: int

    def __post_init__(self) -> None:
        if not 1 <= self.slots <= MOST_SLOTS or not 1 <= self.batch <= LANES:
            raise InputError(
                f"{self.slots} slots, batches of {self.batch}",
                accepted=f"1 to {MOST_SLOTS} slots, 1 to {LANES} prompts",
            )

    @cached_property
    def places(self) -> dict[str, int]:
        """Name → address in HBM: slots, the router and its operands, a batch's prompts and results."""
        each = self.experts
        sizes = {
            "slots": self.slots * each.stride,
            "router": packed(each.router).nbytes,
            "router_x": each.prompt_bytes,
            "logits": each.logits_bytes,
            "x": self.batch * each.prompt_bytes,
            "y": self.batch * each.prompt_bytes,
        }
        found, at = {}, 0
        for name, size in sizes.items():
            found[name] = at
            at += -(-size // PIECE_BYTES) * PIECE_BYTES
        return {**found, "end": at}

    @cached_property
    def nodes(self) -> dict[str, int]:
        """Unit → node, for both sections: a unit that one of them alone configured would run in both."""
        return place(self.experts.section(router=False), MESH)

    def program(self, *, router: bool) -> Words:
        """What the units are told before the first run."""
        section, nodes = self.experts.section(router=router), self.nodes
        routes = route(section, MESH, nodes)
        names = (
            {X: "router_x", WEIGHTS: "router", Y: "logits"} if router else {X: "x", WEIGHTS: "slots", Y: "y"}
        )
        addresses = {region: self.places[name] for region, name in names.items()}
        placed = Placed(section, nodes, {name: each.number for name, each in routes.items()}, addresses)
        switches = [word for each in routes.values() for word in each.words()]
        return [*placed.words(), *switches]

    def job(self, *, latency: int = 0, ahead: int = 0) -> Iterator[str]:
        """Lines for the driver, without files and faults."""
        each, at = self.experts, self.places
        programs = [self.program(router=True), self.program(router=False)]
        lengths = [len(words) for words in programs]
        units = [self.nodes[name] for name in (X, WEIGHTS, Y)]
        yield f"near {at['slots']} {self.slots * each.stride} {each.stride} {self.slots}"
        yield f"far 0 {each.count * each.stride} {each.stride}"
        yield f"expert {each.weight_bytes + each.writable_bytes} {each.weight_bytes} {each.writable_bytes}"
        yield f"host {latency} {ahead} {self.batch} {int(each.state)}"
        yield f"sizes {each.prompt_bytes} {each.prompt_bytes} {each.logits_bytes} {each.count}"
        yield f"at {at['x']} {at['y']} {at['router_x']} {at['logits']}"
        yield f"router 0 {lengths[0]}"
        yield f"kernel {lengths[0]} {lengths[1]}"
        yield f"arguments {sum(lengths)} {units[0]} {units[1]} {units[2]} {AGCU_SEGMENT}"
        for words in programs:
            for unit, address, data in words:
                yield f"word {unit} {address} {data}"

    def images(self) -> dict[str, tuple[int, bytes]]:
        """Memory beforehand: name → byte address and content; the router in HBM, experts in DDR."""
        each = self.experts
        gap = bytes(each.stride - each.weight_bytes)
        far = b"".join(packed(each.weights(number)).tobytes() + gap for number in range(each.count))
        return {
            "router": (self.places["router"], packed(each.router).tobytes()),
            "experts": (1 << DDR_BIT, far),
        }
