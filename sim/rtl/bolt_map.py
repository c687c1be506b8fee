"""An emitted oblivious map, asked as any other, its RTL simulated from the boot.

Keys that are foreseen are asked in one simulation, whatever batches they come in: the time in which the card
would wait for the program between two is left out. Others are a new simulation of all accesses so far.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ...ir.errors import BundleError, FaultError
from ..bolt import Answers, BoltConfig, Keys, Op
from ..bolt.counters import Counters
from ..bolt.packet import PacketCipher
from . import bolt
from .bolt import READ, WRITE, BoltRun, Hardware, Host
from .bolt_images import BootImages
from .design import describe
from .run import Progress

IMAGES = ("pages", "buckets", "frames", "records")


@dataclass(frozen=True)
class MapDesign:
    """The directory of an emitted map.

    Attributes:
        folder: where it is.
        description: the content of ``design.json``.
    """

    folder: Path
    description: dict[str, Any]

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Self:
        """Read a directory.

        Raises:
            BundleError: missing, damaged, or of another schema version.
        """
        return cls(Path(folder).resolve(), describe(folder))

    @property
    def layer(self) -> str:
        """The part of the model it serves."""
        return self.description["layer"]

    @property
    def config(self) -> BoltConfig:
        """The map's sizes."""
        return BoltConfig(**self.description["map"])

    @property
    def hardware(self) -> Hardware:
        """What the RTL is built with."""
        return Hardware(**self.description["hardware"])

    @property
    def keys(self) -> Keys:
        """Those its images are sealed under."""
        return Keys(**{name: bytes.fromhex(text) for name, text in self.description["keys"].items()})

    @cached_property
    def boot(self) -> BootImages:
        """The filled map.

        Raises:
            BundleError: an image is missing or damaged.
        """
        read = {}
        for name in IMAGES:
            facts = self.description["images"][name]
            read[name] = self.file(facts["file"]).read_bytes()
            if hashlib.sha256(read[name]).hexdigest() != facts["sha256"]:
                raise BundleError("the image was changed", where=facts["file"], accepted="compile again")
        return BootImages(**read)

    @property
    def sources(self) -> list[tuple[str, str]]:
        """Names and texts of what is simulated, in order."""
        named = self.description
        paths = [self.file(each) for each in (named["visible"], *named["sources"], *named["properties"])]
        return [(path.name, path.read_text(encoding="utf-8")) for path in paths]

    def file(self, name: str) -> Path:
        """A file the description names.

        Raises:
            BundleError: it is not there.
        """
        path = self.folder / name
        if not path.is_file():
            raise BundleError("file is missing", where=str(path))
        return path


@dataclass
class RtlMap:
    """A map whose accesses are simulated.

    Attributes:
        design: what is simulated.
        host: the world outside.
        progress: told of each simulation.
        foreseen: keys that will be asked, batch after batch, if the answers are right; a guess.
        asked: keys of all accesses so far.
        values: what all keys simulated were answered with, ``[n, value_bytes]``.
        run: the last simulation.
        seconds: it took.
    """

    design: MapDesign
    host: Host
    progress: Progress | None = None
    foreseen: Sequence[int] = ()
    asked: list[int] = field(default_factory=list)
    values: NDArray = field(init=False)
    run: BoltRun | None = None
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.config = self.design.config
        self._simulated: list[int] = []
        self._found = np.zeros(0, bool)
        self.values = np.zeros((0, self.config.value_bytes), np.uint8)

    @property
    def counters(self) -> Counters:
        """Accesses and pages that the host saw."""
        if self.run is None:
            return Counters()
        kinds = self.run.trace["kind"]
        reads, writes = (int(np.count_nonzero(kinds == kind)) for kind in (READ, WRITE))
        return Counters(accesses=len(self.asked), host_reads=reads, host_writes=writes)

    def get(self, keys: NDArray) -> Answers:
        """The values of keys, an access each, in order.

        Raises:
            FaultError: the accelerator stopped.
            VerifyError: the simulation broke off.
            ToolMissing: no Verilator or compiler.
        """
        first = len(self.asked)
        self.asked += keys.tolist()
        end = len(self.asked)
        if self._simulated[:end] != self.asked:
            guess = list(self.foreseen)
            self._simulate(guess if guess[:end] == self.asked else list(self.asked))
        return Answers(self._found[first:end], self.values[first:end])

    def _simulate(self, keys: list[int]) -> None:
        """Ask for keys from the boot on."""
        cipher = PacketCipher(self.config, self.design.keys.session)
        nothing = bytes(self.config.value_bytes)
        packets = [cipher.seal_command(at, Op.GET, key, nothing) for at, key in enumerate(keys)]
        if self.progress:
            self.progress(f"the accelerator, {len(packets)} accesses", 0, None)
        begun = time.monotonic()
        self.run = bolt.run(
            self.design.sources,
            self.design.file(self.design.description["driver"]),
            self.config,
            self.design.keys,
            packets,
            self.design.boot.pages,
            hardware=self.design.hardware,
            host=self.host,
            boot=self.design.boot,
        )
        self.seconds = time.monotonic() - begun - self.run.build_seconds
        if self.run.fault:
            raise FaultError(f"the accelerator stopped, fault {self.run.fault}", where=self.design.layer)
        opened = [cipher.open_response(at, packet) for at, packet in enumerate(self.run.responses)]
        flat = np.frombuffer(b"".join(each.value for each in opened), np.uint8)
        self.values = flat.reshape(len(opened), self.config.value_bytes)
        self._found = np.array([each.found for each in opened], bool)
        self._simulated = keys
