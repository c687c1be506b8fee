"""What accel_main.cpp is told: chains of layers in memory, software at registers, trouble of every kind."""

from __future__ import annotations

import struct
from pathlib import Path

from layer_operands import SCHEMES, Layer

CONTROL, STATUS, ERROR, IRQ_ENABLE = 0x10, 0x14, 0x18, 0x1C
BASE, BASE_HIGH, COUNT, PROGRESS = 0x20, 0x24, 0x28, 0x2C
CYCLES, CYCLES_HIGH, CORE_CYCLES, CORE_CYCLES_HIGH = 0x30, 0x34, 0x38, 0x3C
START, ABORT = 1, 2
BUSY, DONE, FAILED, NONFINITE = 1, 2, 4, 8
OKAY, SLVERR = 0, 2
DESCRIPTORS = 0x400
MEMORY = 1 << 16
PATIENCE = 200_000
ALL = 0xFFFFFFFF

Shape = tuple[int, int, int]


class AccelScript:
    """Commands of accel_main.cpp and the memory they begin with.

    Attributes:
        parameters: of accel_harness.
    """

    def __init__(self, parameters: dict[str, int], reset_values: dict[str, int]) -> None:
        self.parameters = parameters
        self.lines: list[str] = []
        self.memory = bytearray(MEMORY)
        for name, value in reset_values.items():
            self.do("q", value, name)
        self.begin([])

    def do(self, command: str, *words: int | str | bytes) -> None:
        """One command."""
        shown = (
            each.hex() if isinstance(each, bytes) else f"{each:x}" if isinstance(each, int) else each
            for each in words
        )
        self.lines.append(" ".join((command, *shown)))

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        """The script and the image as files."""
        script, image = folder / f"{name}.txt", folder / f"{name}.bin"
        script.write_text("\n".join(self.lines) + "\n", encoding="utf-8")
        image.write_bytes(bytes(MEMORY))
        return script, image

    # Memory

    def begin(self, shapes: list[Shape], seed: int = 0) -> None:
        """Another chain of layers, in place of the one before."""
        self.free, self.layers = 0x1004, []
        for index, shape in enumerate(shapes):
            self.add(Layer(*shape, seed + index, SCHEMES[(seed + index) % len(SCHEMES)]), flags=index & 1)

    def place(self, data: bytes, align: int = 8) -> int:
        address = -(-self.free // align) * align
        self.do("m", address, data)
        self.free = address + len(data)
        assert self.free < MEMORY
        return address

    def add(self, layer: Layer, *, flags: int = 0, at_end_of_page: bool = False) -> None:
        """Put a layer's operands into memory, room for its results, and its descriptor."""
        weights = self.place(layer.weight_words().astype("<u8").tobytes())
        if at_end_of_page:
            self.free = -(-self.free // 4096) * 4096 + 4096 - 24
        acts = self.place(layer.act_words().astype("<u8").tobytes())
        results = self.place(bytes(4 * layer.tokens * layer.channels), align=4)
        self.free += 4  # results end and begin at halves of words
        self.do("m", DESCRIPTORS + 64 * len(self.layers), layer.descriptor(weights, acts, results, flags))
        self.layers.append((layer, weights, acts, results))

    def field(self, index: int, offset: int, data: bytes) -> None:
        """Change a descriptor."""
        self.do("m", DESCRIPTORS + 64 * index + offset, data)

    def restore(self, index: int) -> None:
        """Put a descriptor back, flags 0."""
        layer, *addresses = self.layers[index]
        self.field(index, 0, layer.descriptor(*addresses))

    # Software

    def read(self, address: int, value: int, mask: int = ALL) -> None:
        self.do("r", address, mask, value, OKAY)

    def set(self, address: int, value: int, response: int = OKAY, strobe: int = 15) -> None:
        self.do("w", address, value, response, strobe)

    def start(self, count: int | None = None, base: int = DESCRIPTORS) -> None:
        for layer, _, _, results in self.layers:
            self.do("a", results, results + 4 * layer.tokens * layer.channels)
        self.set(BASE, base & ALL)
        self.set(BASE_HIGH, base >> 32)
        self.set(COUNT, len(self.layers) if count is None else count)
        self.set(CONTROL, START)

    def ends(self, status: int) -> None:
        self.do("i", PATIENCE)
        self.read(STATUS, status)

    def cleared(self, status: int) -> None:
        self.set(STATUS, status)
        self.read(STATUS, 0)
        self.do("l", 0)

    def good_run(self, status: int = DONE) -> None:
        """Run the chain; everything that can be seen of it must be right."""
        for layer, _, _, results in self.layers:
            size = 4 * layer.tokens * layer.channels
            self.do("m", results, b"\xa5" * size)
        self.start()
        self.ends(status)
        self.read(PROGRESS, len(self.layers))
        self.read(ERROR, 0)
        for layer, _, _, results in self.layers:
            self.do("e", results, layer.expected.astype("<u4").tobytes())
        self.do("t")
        self.cleared(status)

    # What is tried

    def registers(self) -> None:
        """Identification, parameters, register bits, refusals."""
        size = self.parameters
        self.read(0x00, 0x424D4F44)
        self.read(0x04, 0x00010001)
        self.read(0x08, size["Cols"] << 16 | size["Rows"])
        self.read(0x0C, size["MaxGroups"] << 16 | size["MaxTokens"])
        self.read(0x40, size.get("ColTiles", 1) << 16 | size.get("RowTiles", 1))
        self.read(0x44, size.get("Lanes", 4))
        for address in (CONTROL, STATUS, ERROR, IRQ_ENABLE, BASE, BASE_HIGH, COUNT, PROGRESS):
            self.read(address, 0)
        for address in (0x41, 0x48, 0x80, 0xFC, 0x02, 0x13):
            self.do("r", address, ALL, 0, SLVERR)
            self.set(address, 3, SLVERR)
        for address in (
            0x00,
            0x04,
            0x08,
            0x0C,
            0x40,
            0x44,
            ERROR,
            PROGRESS,
            CYCLES,
            CYCLES_HIGH,
            CORE_CYCLES,
            CORE_CYCLES_HIGH,
        ):
            self.set(address, ALL, SLVERR)
        for strobe in (0, 1, 7, 14):
            for address in (CONTROL, STATUS, IRQ_ENABLE, BASE, BASE_HIGH, COUNT):
                self.set(address, ALL, SLVERR, strobe)
        for value in (0x5A5A5A5A, 0xA5A5A5A5, ALL, 0):
            for address, bits in ((BASE, ALL), (BASE_HIGH, ALL), (COUNT, 0xFFFF), (IRQ_ENABLE, 3)):
                self.set(address, value)
                self.read(address, value & bits)
                self.set(address, value ^ ALL, SLVERR, 7)
                self.read(address, value & bits)
        self.set(STATUS, ALL)
        self.read(STATUS, 0)

    def starts_refused(self) -> None:
        """No descriptors, a base between two; every bit of the base that must be zero."""
        self.set(IRQ_ENABLE, 3)
        for count, base in ((0, DESCRIPTORS), *((1, DESCRIPTORS + (1 << bit)) for bit in range(6))):
            self.start(count, base)
            self.ends(FAILED)
            self.read(ERROR, 1)
            self.set(CONTROL, START)
            self.read(STATUS, FAILED)
            self.cleared(FAILED)

    def long_counts(self) -> None:
        """Cycle counters of which every bit is in use, with the carry from their lower half to the upper."""
        self.set(IRQ_ENABLE, 3)
        carries = [upper << 32 | ALL for upper in (0x5555_5555, 0xAAAA_AAA9, 0x7FFF_FFFE)]
        for before in (*carries, 0x5A5A_A5A5_8000_0000, 0xA5A5_5A5A_7FFF_FFFF):
            self.start()
            for name in ("i_regs.cycles_q", "i_regs.core_cycles_q"):
                self.do("s", before, name)
            self.ends(DONE)
            after = before + 1 & ~0xFFFF
            for low in (CYCLES, CORE_CYCLES):
                self.read(low, after & ALL, ALL & ~0xFFFF)
                self.read(low + 4, after >> 32)
            self.cleared(DONE)

    def interrupts(self) -> None:
        """The line follows what is enabled."""
        self.set(IRQ_ENABLE, 0)
        self.start(0)
        self.do("c", 20)
        self.read(STATUS, FAILED)
        for enabled, level in ((0, 0), (1, 0), (2, 1), (3, 1)):
            self.set(IRQ_ENABLE, enabled)
            self.do("l", level)
        self.cleared(FAILED)
        self.start()
        self.do("i", PATIENCE)
        self.read(STATUS, DONE)
        for enabled, level in ((0, 0), (1, 1), (2, 0), (3, 1)):
            self.set(IRQ_ENABLE, enabled)
            self.do("l", level)
        # A start forgets the end before; while busy, base and count are fixed and a start is dropped.
        self.set(CONTROL, START)
        self.read(STATUS, BUSY)
        self.do("l", 0)
        self.set(COUNT, 0, SLVERR)
        self.set(BASE, 0, SLVERR)
        self.set(BASE_HIGH, 0, SLVERR)
        self.set(CONTROL, START)
        self.set(CONTROL, 0)
        self.ends(DONE)
        self.read(COUNT, len(self.layers))
        self.read(BASE, DESCRIPTORS)
        self.set(CONTROL, ABORT)  # nothing runs
        self.read(STATUS, DONE)
        self.cleared(DONE)

    def errors(self) -> None:
        """An error answer to each kind of access, of the first layer and of the second."""
        for index, (layer, weights, acts, results) in enumerate(self.layers[:2]):
            last_act = acts + 8 * (len(layer.act_words()) - 1)
            for code, start, side in (
                (2, DESCRIPTORS + 64 * index + 16, "r"),
                (4, acts + 64, "r"),
                (4, last_act, "r"),
                (5, weights + 80, "r"),
                (6, (results + 8) & ~7, "w"),
            ):
                for stall in (0, 300):
                    self.do("b", side, start, start + 8)
                    self.do("p", stall, code + stall)
                    self.start()
                    self.ends(FAILED)
                    # What failed may have been prefetched for the layer after the first not complete.
                    exact = code in (2, 6) or index == 0
                    self.read(ERROR, (index << 16 if code in (2, 6) else 0) | code, ALL if exact else 7)
                    self.do("b", side, 0, 0)
                    self.set(CONTROL, START)
                    self.read(STATUS, FAILED)
                    self.cleared(FAILED)
                    self.good_run()
        self.do("p", 0, 1)

    def bad_descriptors(self) -> None:
        """Each field that can be wrong, with every bit that must be zero."""
        cases: list[tuple[int, bytes]] = [(24, bytes(2)), (26, bytes(2)), (28, bytes(2))]
        cases += [(28, struct.pack("<H", self.parameters["MaxGroups"] + 1)), (29, b"\1"), (29, b"\x80")]
        cases += [(30, bytes([mode])) for mode in (0, 4, 5, 6, 7, 17, 129)]
        cases += [(31, bytes([1 << bit])) for bit in range(1, 8)]
        _, *addresses = self.layers[1]
        for offset, address, width in zip((0, 8, 16), addresses, (3, 3, 2), strict=True):
            cases += [(offset, bytes([address & 0xFF | 1 << bit])) for bit in range(width)]
        cases += [(36 + bit // 8, bytes([1 << bit % 8])) for bit in (*range(0, 28 * 8, 5), 31, 95, 159, 223)]
        for offset, data in cases:
            self.field(1, offset, data)
            self.start()
            self.ends(FAILED)
            self.read(ERROR, 1 << 16 | 3)
            self.restore(1)
            self.cleared(FAILED)
        self.good_run()

    def far_addresses(self) -> None:
        """Addresses with every bit in use: there is no memory, and each access says so."""
        layer, weights, acts, results = self.layers[0]
        for far in (0xFFFFFFFFFFFFF000, 0xAAAAAAAAAAAAA000, 0x5555555555555000):
            for code, where in (
                (5, (far, acts, results)),
                (4, (weights, far, results)),
                (6, (weights, acts, far + 4)),
            ):
                self.field(0, 0, layer.descriptor(*where))
                self.start()
                self.ends(FAILED)
                self.read(ERROR, code)
                self.cleared(FAILED)
            self.start(1, far)
            self.ends(FAILED)
            self.read(ERROR, 2)
            self.cleared(FAILED)
        self.restore(0)
        self.good_run()

    def huge_shapes(self) -> None:
        """Layers with every bit of their shapes in use, aborted soon."""
        layer, weights, acts, results = self.layers[0]
        for bits in (0xFFFF, 0xAAAA, 0x5555):
            self.field(0, 0, layer.descriptor(weights, acts, results))
            self.field(0, 24, struct.pack("<HHH", bits, bits ^ 0x0F0F, self.parameters["MaxGroups"]))
            self.start()
            self.do("c", 400)
            self.set(CONTROL, ABORT)
            self.ends(FAILED)
            self.read(ERROR, 7, 7)
            self.cleared(FAILED)
        self.restore(0)
        self.good_run()

    def interruptions(self, cycles: tuple[int, ...]) -> None:
        """Resets and aborts in mid-flight, and a whole chain after each."""
        for cycle in cycles:
            for hard in (True, False):
                self.do("p", 200, cycle)
                self.start()
                self.do("c", cycle)
                if hard:
                    self.do("x")
                    for address in (
                        STATUS,
                        ERROR,
                        IRQ_ENABLE,
                        BASE,
                        BASE_HIGH,
                        COUNT,
                        PROGRESS,
                        CYCLES,
                        CORE_CYCLES,
                    ):
                        self.read(address, 0)
                    self.set(IRQ_ENABLE, 3)
                else:
                    self.set(CONTROL, ABORT)
                    self.ends(FAILED)
                    self.read(ERROR, 7, 7)
                    self.cleared(FAILED)
                self.do("z")
                self.good_run()
        self.do("p", 0, 1)

    def fences(self) -> None:
        """Only without a fence are the next layer's activations read before this one's end."""
        _, _, acts, _ = self.layers[1]
        for fence in (0, 1, 0):
            self.field(1, 31, bytes([fence]))
            self.do("z")
            self.start()
            self.do("F", acts, 1 - fence)
            self.ends(DONE)
            self.do("R", acts, 1)
            self.cleared(DONE)
            self.good_run()
