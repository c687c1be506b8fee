"""BOLT on the RTL under hard sequences of accesses: what it does, held to a dict and the software model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources

import numpy as np

from penstock import bolt_rtl
from penstock.bolt_rtl import BoltAnswers, Command
from penstock.sim.bolt import memory
from penstock.sim.bolt.adversary import Load, tape_for
from penstock.sim.bolt.adversary.coupling import random_pairs
from penstock.sim.bolt.config import BoltConfig, Op
from penstock.sim.bolt.drbg import Words, words_of_pair
from penstock.sim.bolt.keys import Keys
from penstock.sim.bolt.memory import Trace
from penstock.sim.bolt.model import BoltMap
from penstock.sim.bolt.packet import Response, Status
from penstock.sim.bolt.prf import buckets_of
from penstock.sim.rtl import bolt
from penstock.sim.rtl.bolt import READ, WRITE, BoltRun, Hardware, Host

EARLY_EXIT = (
    "bolt_frame_io.sv",
    (
        ("asking_q <= ask_q != Count'(Reads - 1);", "asking_q <= (valids >> ask_q) > Reads'(1);"),
        ("values_q <= {used ? word : '0, values_q[Reads-1:1]};", "values_q[come_q] <= used ? word : '0;"),
        ("        asking_q <= 1'b1;\n", "        asking_q <= 1'b1;\n        values_q <= '0;\n"),
        ("done_o   = come_q == Count'(Reads);", "done_o   = !asking_q && come_q == ask_q;"),
    ),
)
"""The negative control: values are collected only as far as there are any, so that time tells how many."""


@dataclass(frozen=True)
class Device:
    """A map on the RTL.

    Attributes:
        config, hardware, keys: its sizes, the RTL's, its secrets.
        design: names and texts of the RTL, None for the product's.
        arguments: of the model.
    """

    config: BoltConfig
    hardware: Hardware = field(default_factory=Hardware)
    keys: Keys = field(default_factory=lambda: Keys.from_seed(7))
    design: tuple[tuple[str, str], ...] | None = None
    arguments: tuple[str, ...] = ()

    def run(
        self, commands: Sequence[Command], host: Host | None = None, tape: Sequence[Words] | None = None
    ) -> BoltAnswers:
        """Run commands from an empty map on."""
        return bolt_rtl.run(
            self.config, self.keys, commands, hardware=self.hardware, host=host, tape=tape,
            design=self.design, arguments=self.arguments,
        )  # fmt: skip

    def send(
        self, packets: Sequence[bytes], host: Host | None = None, tape: Sequence[Words] | None = None
    ) -> BoltRun:
        """Send packets as they are, to an empty map."""
        image = bytes(BoltMap(self.config, keys=self.keys).memory.data)[self.config.base :]
        template = resources.files("penstock") / "backends" / "verilog" / "templates" / "bolt"
        with resources.as_file(template / "sim_main.cpp") as driver:
            return bolt.run(
                self.design or bolt_rtl.sources(), driver, self.config, self.keys, packets, image,
                hardware=self.hardware, host=host, tape=tape, arguments=self.arguments,
            )  # fmt: skip

    def modelled(self, commands: Sequence[Command], tape: Sequence[Words] | None = None) -> Modelled:
        """What the software model does with the same commands."""
        model = BoltMap(self.config, keys=self.keys, tape=tape.__getitem__ if tape else None)
        model.memory.trace = Trace()
        answers = tuple(model.access(op, key, value) for op, key, value in commands)
        return Modelled(answers, model.memory.trace.array(), bytes(model.memory.data), model)


@dataclass(frozen=True)
class Modelled:
    """The software model's answers, host traffic, pages at the end, and itself."""

    answers: tuple[Response, ...]
    trace: np.ndarray
    image: bytes
    model: BoltMap


def early_exit() -> tuple[tuple[str, str], ...]:
    """The design with the negative control in it."""
    name, edits = EARLY_EXIT
    texts = dict(bolt_rtl.sources())
    for before, after in edits:
        assert texts[name].count(before) == 1, f"not once in {name}: {before}"
        texts[name] = texts[name].replace(before, after)
    return tuple(texts.items())


def commands_of(load: Load) -> list[Command]:
    """A pattern's operations as commands."""
    return [
        (Op(op), key, value.tobytes() if op == Op.PUT else b"")
        for op, key, value in zip(load.ops.tolist(), load.keys.tolist(), load.values, strict=True)
    ]


def coupled(config: BoltConfig, commands: Sequence[Command], seed: int) -> list[Words]:
    """The tape that makes commands show the pairs of a seed; equal lengths show the same."""
    ops, keys = (np.array([each[at] for each in commands]) for at in (0, 1))
    return tape_for(config, ops, keys, random_pairs(config, len(commands), seed))


def answered_by_a_dict(commands: Sequence[Command], value_bytes: int) -> tuple[Response, ...]:
    """What a plain map answers."""
    live: dict[int, bytes] = {}
    answers = []
    for op, key, value in commands:
        old = live.get(key) if op is not Op.NOP else None
        if op is Op.PUT:
            live[key] = value
        elif op is Op.DEL:
            live.pop(key, None)
        shown = old if old is not None and op is not Op.PUT else bytes(value_bytes)
        answers.append(Response(Status.FOUND if old is not None else Status.ABSENT, key, shown))
    return tuple(answers)


def differences(device: Device, commands: Sequence[Command], done: BoltAnswers, told: Modelled) -> list[str]:
    """In what a run is not what a dict answers and the model does; nothing if all is well."""
    run, found = done.run, []
    if run.fault:
        found.append(f"fault {run.fault} in cycle {run.fault_cycle}")
    if told.answers != answered_by_a_dict(commands, device.config.value_bytes):
        found.append("the model's answers are not a dict's")
    if done.answers != told.answers:
        at = next(
            (n for n, (a, b) in enumerate(zip(done.answers, told.answers, strict=False)) if a != b), None
        )
        found.append(f"{len(done.answers)} answers of {len(commands)}, the first that differs: {at}")
    for here, there in ((READ, memory.READ), (WRITE, memory.WRITE)):
        mine, theirs = run.trace[run.trace["kind"] == here], told.trace[told.trace["direction"] == there]
        alike = np.array_equal(mine["address"], theirs["address"])
        if not alike or not np.array_equal(mine["bytes"], theirs["length"]):
            found.append(f"host {('reads', 'writes')[here]} are not the model's")
    if run.image != told.image:
        found.append("pages are not the model's at the end")
    counts = {
        "accesses": len(commands),
        "pages_read": told.model.counters.host_reads,
        "pages_written": told.model.counters.host_writes,
        "free_frames": device.config.frames - told.model.frames.used,
        "stash_used": sum(slot is not None for slot in told.model.stash),
    }
    found += [
        f"{name}: {run.counts[name]}, not {count}"
        for name, count in counts.items()
        if run.counts[name] != count
    ]
    return found


def crowding(config: BoltConfig, keys: Keys, count: int, seed: int) -> list[int]:
    """Keys whose buckets are among the same few (all of `few_buckets`)."""
    draw = np.random.default_rng(seed)
    found: list[int] = []
    while len(found) < count:
        key = int(draw.integers(1 << 32))
        if max(buckets_of(keys.prf, key, config.buckets)) < few_buckets(config):
            found.append(key)
    return found


def few_buckets(config: BoltConfig) -> int:
    """How many buckets `crowding` keys share."""
    return max(3, config.buckets // 32)


def colliding(config: BoltConfig, keys: Keys, count: int, seed: int) -> list[Command]:
    """Accesses to keys that fill all ways of their buckets, and the CAM behind them in part."""
    draw = np.random.default_rng(seed)
    among = crowding(config, keys, 4 * few_buckets(config) + 10, seed)
    ops = draw.choice([Op.GET, Op.PUT, Op.PUT, Op.PUT, Op.DEL], count)
    return [
        (
            Op(op),
            among[int(draw.integers(len(among)))],
            draw.bytes(config.value_bytes) if op == Op.PUT else b"",
        )
        for op in ops
    ]


def crowded(config: BoltConfig, count: int, seed: int) -> tuple[list[Command], list[Words]]:
    """Keys all remapped to one pair of bins, and its tape: both fill up, and the stash behind them."""
    draw = np.random.default_rng(seed)
    at = np.arange(count)
    live = min(2 * config.slots + 20, config.frames - 8)
    keys = np.where(at < live, at, draw.integers(0, live, count))
    ops = np.where(at < live, Op.PUT, draw.choice([Op.GET, Op.PUT, Op.DEL], count))
    commands = [
        (Op(op), key, draw.bytes(config.value_bytes) if op == Op.PUT else b"")
        for op, key in zip(ops.tolist(), keys.tolist(), strict=True)
    ]
    bins = (config.bins - 1, config.hbm_bins)
    pairs = np.tile(np.array(bins), (count, 1))
    return commands, tape_for(config, ops, keys, pairs)


def brimming(config: BoltConfig) -> tuple[list[Command], list[Words]]:
    """As many keys await a pair of pages as these hold, then both are shown, then every key is asked for."""
    shown = words_of_pair(config.hbm_bins, config.hbm_bins + 1, config.bins)
    waits = words_of_pair(config.bins - 1, config.bins - 2, config.bins)
    many = 2 * config.slots
    commands: list[Command] = [(Op.PUT, key, bytes([key]) * config.value_bytes) for key in range(many)]
    commands += [(Op.NOP, 0, b""), *((Op.GET, key, b"") for key in range(many))]
    return commands, [(*shown, *waits)] * many + [(*waits, *shown)] * (1 + many)
