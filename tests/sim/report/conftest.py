"""A small bundle of made-up figures: enough for every section of the report. No model was compiled."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from penstock.ir import targets
from penstock.ir.bundle import COST, MODULE, PLAN, BundleWriter
from penstock.ir.signature import Entry, TensorSpec, entries_json
from penstock.sim.cost.memory_timeline import Placement, memory_timeline
from penstock.sim.cost.price import roofs
from penstock.sim.cost.record import CostRecord, EntryCost, GroupCost, PassTime
from penstock.sim.cost.roofline import GroupWork, price
from penstock.sim.rtl.bitmod_result import ChainResult, LayerRun
from penstock.sim.rtl.record import record_run
from penstock.sim.verification import Case, LayerError, OutputError, Verification

CPU = targets.load("cpu")
ATTENTION = (
    "iterate m1 until m1 = 8:",
    "  BQK[b,h,m0,p] = sum[e] mul(Q[b,h,e,p], K[b,h,e,m1*16+m0])",
    "  LM[b,h,p] = max[m0] BQK[b,h,m0,p]",
    "  RM[b,h,p] = max(RM[b,h,p], LM[b,h,p])",
    "AV[b,h,f,p] = div_left(RNV[b,h,f,p], RD[b,h,p])",
)


def group(name, mac, read, written, unfused, *, einsums, passes=(1, 1), instances=6, **other):
    """A group priced on the generic cpu."""
    operations = {"mac": mac, **other}
    found = price(GroupWork(name, operations, read, written, "f32"), CPU)
    fused = passes[0] != passes[1]
    return GroupCost(
        name=name,
        function="layer",
        instances=instances,
        einsums=tuple(einsums),
        passes_before=passes[0],
        passes_after=passes[1],
        rewrites=("defer division", "iterate over m1") if fused else (),
        footprint_before="O(M·P)" if fused else "O(1)",
        footprint_after="O(1)",
        derivation=("QK, GM: pass 1 over m", "SN, SD: pass 2", "AV: pass 3 <- division deferred")
        if fused
        else (),
        dtype="f32",
        flops=sum(operations.values()),
        bytes_read=read,
        bytes_written=written,
        bytes_unfused=unfused,
        seconds=found.seconds,
        bound=found.bound,
    )


def entry(s: int) -> EntryCost:
    """A transformer layer of hidden size 384 at sequence length ``s``."""
    x, d = 4 * s * 384, 384
    linear = 2 * s * d * d
    groups = (
        group(
            "embed_norm",
            0,
            3 * x,
            x,
            5 * x,
            einsums=["E[s,d] = add(W[s,d], P[s,d])"],
            instances=1,
            add=3 * s * d,
        ),
        group(
            "qkv",
            3 * linear,
            x + 12 * d * d,
            3 * x,
            5 * x + 12 * d * d,
            einsums=["Q[s,h,e] = sum[d] mul(X[s,d], WQ[h*32+e,d])", "QB[s,h,e] = add(Q[s,h,e], BQ[h,e])"],
            add=s * d,
        ),
        group(
            "attention",
            4 * s * s * d,
            3 * x,
            x,
            4 * x + 7 * 4 * 12 * s * s,
            einsums=ATTENTION,
            passes=(3, 1),
            exp=12 * s * s,
            max=12 * s * s,
            div=s * d,
        ),
        group(
            "output_norm",
            linear,
            2 * x + 4 * d * d,
            x,
            7 * x + 4 * d * d,
            passes=(2, 1),
            einsums=["Y[s,d] = sum[e] mul(AV[s,e], WO[d,e])", "M[s] = sum[d] Y[s,d]"],
            add=4 * s * d,
        ),
        group(
            "ffn1_gelu",
            4 * linear,
            x + 16 * d * d,
            4 * x,
            14 * x + 16 * d * d,
            einsums=["H[s,f] = sum[d] mul(Y[s,d], W1[f,d])", "G[s,f] = gelu(H[s,f])"],
            exp=4 * s * d,
            mul=4 * s * d,
        ),
        group(
            "ffn2_norm",
            4 * linear,
            5 * x + 16 * d * d,
            x,
            10 * x + 16 * d * d,
            passes=(2, 1),
            einsums=["Z[s,d] = sum[f] mul(G[s,f], W2[d,f])"],
            add=4 * s * d,
        ),
        group(
            "pool", 0, x, 4 * d, 3 * x, einsums=["P[d] = sum[s] mul(Z[s,d], MASK[s])"], instances=1, mul=s * d
        ),
    )
    return EntryCost(groups)


def arena(s: int) -> dict[str, object]:
    """The arena of an entry at sequence length ``s``, as plan.json holds it."""
    x = 4 * s * 384
    placements, step = [Placement("embeddings", 0, 2, 0, x)], 1
    for layer in range(6):
        placements += [
            Placement(f"q{layer}", step, step + 2, x, x),
            Placement(f"k{layer}", step, step + 2, 2 * x, x),
            Placement(f"v{layer}", step, step + 2, 3 * x, x),
            Placement(f"av{layer}", step + 1, step + 3, 4 * x, x),
            Placement(f"y{layer}", step + 2, step + 5, x, x),
            Placement(f"g{layer}", step + 3, step + 5, 2 * x, 4 * x),
            Placement(f"z{layer}", step + 4, step + 7, 0, x),
        ]
        step += 5
    series = memory_timeline(placements)
    return {
        "steps": [f"step {number}" for number in range(series.steps)],
        "buffers": [asdict(placement) for placement in placements],
        "live_bytes": list(series.live),
        "naive_bytes": list(series.before),
        "arena_bytes": 6 * x,
        "naive_total_bytes": series.peak_before_bytes,
        "lower_bound_bytes": 6 * x,
    }


def plan() -> dict[str, object]:
    """The memory plan of both entries."""
    function = {
        "frame_bytes": 0,
        "lower_bound_bytes": 0,
        "solver": "size-first-fit",
        "steps": [],
        "buffers": [],
    }
    return {
        "functions": {"main_64": function, "main_256": function},
        "entries": {"main_64": arena(64), "main_256": arena(256)},
    }


def record() -> CostRecord:
    """Two entries and the time of every step of the compilation."""
    steps = (("export", 1.9), ("raise", 0.8), ("relabel", 0.05), ("simplify", 0.11), ("fuse", 0.42))
    steps += (("place", 0.09), ("kernels", 3.4), ("pack weights", 0.35), ("link", 0.6))
    passes = tuple(PassTime(name, seconds) for name, seconds in steps)
    return CostRecord("cpu", roofs(CPU), {"main_64": entry(64), "main_256": entry(256)}, passes)


def verification(worst: float = 3e-7) -> Verification:
    """Two runs with a table of layers each."""
    random = np.random.default_rng(0)
    layers = tuple(
        LayerError(f"encoder.layer.{i // 4}.{part}", 1e-6, float(random.uniform(0.3, 1.0) * worst))
        for i, part in enumerate(["attention", "output", "intermediate", "norm"] * 6)
    )
    outputs = (OutputError("embedding", 2e-6, worst, 0.99999999),)
    return Verification(
        "eager PyTorch", tuple(Case("main_64", {"s": s}, 1e-5, outputs, layers) for s in (7, 64))
    )


def simulated(driver: str, mismatches: int) -> ChainResult:
    """A made-up run of two layers."""

    def layer(name: str, cycles: int, mismatches: int) -> LayerRun:
        return LayerRun(
            name=name,
            tokens=7,
            channels=384,
            inputs=384,
            format="bitmod4",
            mismatches=mismatches,
            results=2688,
            relative_error_quantized=2.1e-4,
            relative_error_float=0.071,
            cycles_rtl=cycles,
            cycles_model=cycles,
            utilisation=0.83,
            weight_bytes=86_016,
            activation_bytes=5_376,
            result_bytes=10_752,
        )

    return ChainResult(
        layer="layer.0",
        driver=driver,
        bit_exact=mismatches == 0,
        mismatches=mismatches,
        results=5376,
        cycles_rtl=98_765,
        cycles_model=98_765,
        core_cycles_rtl=98_000,
        core_cycles_model=98_000,
        array=(8, 8),
        memory_latency=80,
        layers=(layer("layer.0.query", 48_765, 0), layer("layer.0.key", 50_000, mismatches)),
        nonfinite=False,
        bytes_read={"descriptors": 128, "activations": 10_752, "weights": 172_032},
        bytes_written=21_504,
        build_seconds=0.0,
        run_seconds=4.2,
        trace=None,
    )


@pytest.fixture(scope="session")
def make_bundle(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Writes a bundle of made-up figures; with ``checked`` it has a verification and RTL runs too."""

    def make(
        name: str = "synthetic", *, checked: bool = True, worst: float = 3e-7, mismatches: int = 0
    ) -> Path:
        ids = TensorSpec("input_ids", "int64", (1, 256), (None, "s"))
        out = TensorSpec("embedding", "float32", (1, 384), (None, None))
        entries = entries_json([Entry("main_64", (ids,), (out,)), Entry("main_256", (ids,), (out,))])
        with BundleWriter(tmp_path_factory.mktemp("bundles") / name) as writer:
            writer.write_text(MODULE, "module {}\n")
            writer.write_weights({"w": np.zeros((384, 384), np.float32), "b": np.zeros(384, np.float32)})
            writer.write_json(COST, record().to_json())
            writer.write_json(PLAN, plan())
            path = writer.commit(
                tools={"penstock": "0", "python": "3.11"},
                target="cpu",
                model={"name": "synthetic <test> data", "dtype": "f32"},
                entries=entries,
                backends={},
            )
        if checked:
            (path / "verify.json").write_text(json.dumps(verification(worst).to_json()))
            (path / "verilog").mkdir()
            for driver in ("cpp", "cocotb"):
                record_run(path / "verilog" / "sim.json", simulated(driver, mismatches))
        return path

    return make
