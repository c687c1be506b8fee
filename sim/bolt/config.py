"""Sizes of an oblivious map: bins, pages, frames, buckets. Every size is derived here, nowhere else.

N keys hash into B = N/c bins of Z slots. Bins 0…K−1 lie in HBM, the rest on the host, one page each. Names
and bounds follow the authors' memory model (BOLT, arXiv 2509.01742, artifact `exp_validation`); Z = 16 slots
and the page's layout are ours.
"""

from __future__ import annotations

import enum
import functools
import math
from dataclasses import dataclass

from ...ir.errors import InputError

KEY_BYTES, MASK_BYTES, TAG_BYTES, NONCE_BYTES = 4, 8, 16, 12
WAYS, CAM_ENTRIES, STASH_ENTRIES = 4, 16, 32
WORDS_PER_ACCESS = 4
"""64-bit random words every access draws: a fresh pair of bins, then a pair to remap to."""
FRAME_SLACK = 64


class Op(enum.IntEnum):
    """What an access does; the codes of GET and PUT are the artifact's."""

    NOP = 0
    GET = 1
    PUT = 2
    DEL = 3


@dataclass(frozen=True)
class BoltConfig:
    """The sizes of one map.

    Attributes:
        capacity: N, keys the bounds are made for; a power of two.
        value_bytes: V, of every value; a multiple of 4.
        alpha: share of the bins that lie in HBM.
        bin_keys: c, mean load of a bin at capacity; a power of two.
        slots: Z, of a page and of a bin in HBM.
        base: address of the first page in host memory.

    Raises:
        InputError: a size that cannot be.
    """

    capacity: int = 4096
    value_bytes: int = 16
    alpha: float = 0.2
    bin_keys: int = 8
    slots: int = 16
    base: int = 0

    def __post_init__(self) -> None:
        for name in ("capacity", "bin_keys"):
            size = getattr(self, name)
            if size < 1 or size & (size - 1):
                raise InputError(
                    f"{size} is no power of two", where=f"BoltConfig.{name}", accepted="1, 2, 4, …"
                )
        for name, ok, accepted in (
            ("capacity", 4 * self.bin_keys <= self.capacity <= 1 << 31, "4 bins at least, 2^31 keys at most"),
            ("value_bytes", self.value_bytes > 0 and self.value_bytes % 4 == 0, "a multiple of 4"),
            ("alpha", 0 <= self.alpha <= 1, "0 to 1"),
            ("slots", self.bin_keys < self.slots <= 64, f"{self.bin_keys + 1} to 64"),
            ("base", self.base >= 0 and self.base % self.page_bytes == 0, "a multiple of the page's bytes"),
        ):
            if not ok:
                found = getattr(self, name)
                raise InputError(f"{found} cannot be", where=f"BoltConfig.{name}", accepted=accepted)

    @functools.cached_property
    def bins(self) -> int:
        """B, all bins."""
        return self.capacity // self.bin_keys

    @functools.cached_property
    def hbm_bins(self) -> int:
        """K; bins below it lie in HBM."""
        return math.floor(self.alpha * self.bins)

    @functools.cached_property
    def host_bins(self) -> int:
        """M, bins on the host: as many pages."""
        return self.bins - self.hbm_bins

    @functools.cached_property
    def load_bound(self) -> float:
        """l_max, the artifact's bound on a bin's load."""
        return self.bin_keys + math.log2(math.log2(self.capacity)) + 1

    @functools.cached_property
    def hbm_bound(self) -> float:
        """H, the artifact's bound on keys in HBM bins."""
        return self.hbm_bins * self.bin_keys + self.load_bound * math.sqrt(
            self.hbm_bins * math.log(self.capacity)
        )

    @functools.cached_property
    def queue_bound(self) -> float:
        """Q, the artifact's bound on keys awaiting their flush to a page."""
        host = self.host_bins
        return (1 + self.alpha) * host / 2 + self.load_bound * math.sqrt(host * math.log(self.capacity))

    @functools.cached_property
    def frames(self) -> int:
        """F, value frames in HBM; frame F itself is the scratch frame of accesses that store nothing."""
        return math.ceil(self.hbm_bound + self.queue_bound) + FRAME_SLACK

    @functools.cached_property
    def slot_bytes(self) -> int:
        """Of a key and its value."""
        return KEY_BYTES + self.value_bytes

    @functools.cached_property
    def page_bytes(self) -> int:
        """P, of a page in host memory, its tag with it: a power of two."""
        return 1 << (self.slots * self.slot_bytes + MASK_BYTES + TAG_BYTES - 1).bit_length()

    @functools.cached_property
    def body_bytes(self) -> int:
        """Of a page without its tag."""
        return self.page_bytes - TAG_BYTES

    @functools.cached_property
    def image_bytes(self) -> int:
        """Of all pages."""
        return self.host_bins * self.page_bytes

    @functools.cached_property
    def buckets(self) -> int:
        """NB, buckets of the position map: as many as keys, 48 bytes a key in the artifact's memory model.

        Half as many would leave a dozen of 2^20 keys to the CAM of 16.
        """
        return self.capacity

    @functools.cached_property
    def packet_bytes(self) -> int:
        """Of a command or a response: sequence number, code, key, value, zeros, tag."""
        used = 8 + 1 + KEY_BYTES + self.value_bytes + TAG_BYTES
        return -(-used // 64) * 64

    def is_host(self, bin_: int) -> bool:
        """Whether a bin is a page in host memory."""
        return bin_ >= self.hbm_bins

    def page_address(self, bin_: int) -> int:
        """Where a host bin's page begins in host memory."""
        return self.base + (bin_ - self.hbm_bins) * self.page_bytes
