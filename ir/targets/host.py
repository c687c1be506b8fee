"""What this machine is: instruction set, cores, clock and caches, read at compile time.

Detection is kept apart from the data: ``cpu.toml`` states generic per-core figures at the portable
vector width, ``detect`` reads the machine, ``specialise`` puts one into the other.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from .description import Target, Tier, Unit

VECTOR_BITS = {"avx512bf16": 512, "avx512": 512, "avx2": 256, "portable": 128}
_AVX512 = frozenset({"avx512f", "avx512bw", "avx512dq", "avx512vl", "fma"})
_NEEDED_FLAGS = {
    "avx512bf16": _AVX512 | {"avx512_bf16"},
    "avx512": _AVX512,
    "avx2": frozenset({"avx2", "fma"}),
}
_MEASURED_BYTES = 64 << 20


@dataclass(frozen=True)
class HostCpu:
    """The machine at hand. Cache sizes are per instance (L1 and L2 per core, L3 shared); None if unknown."""

    model: str
    isa: str
    cores: int
    clock_hz: float | None
    l1d_bytes: int | None
    l2_bytes: int | None
    l3_bytes: int | None
    memory_bytes: int | None

    @property
    def vector_bits(self) -> int:
        """Width of a vector register of the instruction set in use."""
        return VECTOR_BITS[self.isa]

    def to_json(self) -> dict[str, Any]:
        """The findings as a JSON object."""
        return {**asdict(self), "vector_bits": self.vector_bits}


def detect() -> HostCpu:
    """Read the machine from ``/proc`` and ``/sys``; what cannot be read is None or the portable choice."""
    info = _cpu_info()
    return HostCpu(
        model=info.get("model name", "unknown"),
        isa=_isa(frozenset(info.get("flags", "").split())),
        cores=_cores(),
        clock_hz=_clock_hz(info),
        l1d_bytes=_cache_bytes(1),
        l2_bytes=_cache_bytes(2),
        l3_bytes=_cache_bytes(3),
        memory_bytes=_memory_bytes(),
    )


def specialise(target: Target, host: HostCpu) -> Target:
    """The generic cpu target with this machine's cores, clock, vector width and sizes put in.

    Arithmetic rates scale with the vector width: two vector operations a core and cycle, a fused
    multiply-add counting twice, and twice again where bf16 is multiplied in pairs. What detection could not
    read keeps the figure of the file.
    """
    shared = {"ddr": (1, host.memory_bytes), "l3": (1, host.l3_bytes)}
    private = {"l2": (host.cores, host.l2_bytes), "l1": (host.cores, host.l1d_bytes)}
    tiers = tuple(_sized(tier, *{**shared, **private}.get(tier.name, (1, None))) for tier in target.tier)
    units = tuple(_widened(unit, host) for unit in target.unit)
    return replace(target, title=f"{target.title}: {host.model}, {host.isa}", tier=tiers, unit=units)


def measure_bandwidth_bytes_per_s(cores: int, repeats: int = 5) -> float:
    """Best observed rate of reading main memory with ``cores`` threads, in bytes per second.

    Each thread sums a private array of 64 MiB; the fastest of ``repeats`` rounds counts.
    """
    import numpy as np

    arrays = [np.ones(_MEASURED_BYTES // 8) for _ in range(cores)]
    best = float("inf")
    with ThreadPoolExecutor(cores) as pool:
        for _ in range(repeats):
            begin = time.perf_counter()
            list(pool.map(np.sum, arrays))
            best = min(best, time.perf_counter() - begin)
    return cores * _MEASURED_BYTES / best


def _sized(tier: Tier, instances: int, bytes_each: int | None) -> Tier:
    return tier if bytes_each is None else replace(tier, capacity_bytes=instances * bytes_each)


def _widened(unit: Unit, host: HostCpu) -> Unit:
    factor = host.vector_bits / VECTOR_BITS["portable"]
    pairs = {("mac", "bf16"): 2.0} if host.isa == "avx512bf16" else {}
    rates = {
        operator: MappingProxyType(
            {dtype: rate * factor * pairs.get((operator, dtype), 1.0) for dtype, rate in by_dtype.items()}
        )
        for operator, by_dtype in unit.ops_per_cycle.items()
    }
    clock_hz = host.clock_hz or unit.clock_hz
    return replace(unit, shape=(host.cores,), clock_hz=clock_hz, ops_per_cycle=MappingProxyType(rates))


def _isa(flags: frozenset[str]) -> str:
    return next((isa for isa, needed in _NEEDED_FLAGS.items() if needed <= flags), "portable")


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return None


def _cpu_info() -> dict[str, str]:
    """Keys of the first processor in /proc/cpuinfo."""
    first = (_read("/proc/cpuinfo") or "").split("\n\n")[0]
    pairs = (line.split(":", 1) for line in first.splitlines() if ":" in line)
    return {name.strip(): value.strip() for name, value in pairs}


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _clock_hz(info: dict[str, str]) -> float | None:
    highest = _read("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq")
    if highest and highest.isdigit():
        return float(highest) * 1e3
    current = info.get("cpu MHz", "")
    return float(current) * 1e6 if current.replace(".", "", 1).isdigit() else None


def _cache_bytes(level: int) -> int | None:
    for index in range(8):
        base = f"/sys/devices/system/cpu/cpu0/cache/index{index}"
        if _read(f"{base}/level") == str(level) and _read(f"{base}/type") in ("Data", "Unified"):
            size = _read(f"{base}/size") or ""
            return int(size[:-1]) << 10 if size.endswith("K") and size[:-1].isdigit() else None
    return None


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None
