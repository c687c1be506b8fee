"""The planners' commands, `penstock plan …`, and their arguments: a part of the table in `arguments.py`."""

from __future__ import annotations

from .options import (
    RANK_SIZES,
    SEED,
    Command,
    amount,
    extents,
    option,
    place,
    pool,
    positive,
)

EFFORT = option(
    "--time-limit",
    type=positive,
    default=20,
    metavar="S",
    help="the solver's effort: about seconds of one core, counted in its own steps (default 20)",
)

PLANS = (
    Command(
        "plan offsets",
        "place buffers of given lifetimes in one arena, or in several pools",
        "penstock plan offsets buffers.csv --capacity 1048576 -o placed.csv --plot map.svg",
        "plan_offsets",
        (
            option(
                "file",
                metavar="FILE.csv",
                help="buffers: id, lower, upper, size and, where wanted, alignment, gaps, offset, pools",
            ),
            option("--capacity", type=positive, metavar="BYTES", help="fit in this (default: the least)"),
            option(
                "--pool",
                type=pool,
                action="append",
                default=[],
                metavar="NAME=BYTES",
                help="a pool instead of one arena; once for each",
            ),
            option("-o", "--out", type=place, metavar="OUT.csv", help="write the buffers with their offsets"),
            option("--plot", type=place, metavar="MAP.svg", help="write a picture: bytes over steps"),
            option(
                "--seconds",
                "--time-limit",
                dest="seconds",
                type=positive,
                default=10,
                metavar="S",
                help="give up after (default 10)",
            ),
            option(
                "--jobs",
                type=positive,
                metavar="N",
                help="solvers side by side (default: the cores); 1: in turn, the same plan every time",
            ),
            option("--anew", action="store_true", help="ignore the offsets in FILE.csv"),
            SEED,
        ),
    ),
    Command(
        "plan bind",
        "bind a one-pass cascade to an accelerator: a unit and a cycle of the epoch for every Einsum",
        "penstock plan bind attention1.txt --shape e=64,f=64,m1=16,m0=256,p=4096 -o epoch.svg",
        "plan_bind",
        (
            option("source", metavar="CASCADE", help="a .txt file of Einsums, or a MODEL as for compile"),
            option("--target", default="fusemax-cloud", metavar="T", help="default fusemax-cloud"),
            option(
                "--shape",
                type=extents,
                action="append",
                default=[],
                metavar="RANK=N[,…]",
                help="extents of ranks, instead of those in the file",
            ),
            option("--rows", type=positive, metavar="N", help="rows of the array; on a GPU keys of a tile"),
            option(
                "--cols",
                type=positive,
                metavar="N",
                help="its columns, and lanes of the 1D row; rows of a stream",
            ),
            option("-o", "--out", type=place, metavar="F", help="draw the epoch: .svg or .html"),
            EFFORT,
            SEED,
        ),
    ),
    Command(
        "plan nest",
        "search the best loop nest of a cascade on an accelerator: tiles, loop orders, units",
        "penstock plan nest examples/cascades/attention3.txt --shape e=64,f=64,m=4096,p=4096",
        "plan_nest",
        (
            option("file", metavar="FILE.txt", help="a cascade of Einsums"),
            option("--target", default="fusemax-cloud", metavar="T", help="default fusemax-cloud"),
            option(
                "--shape",
                type=extents,
                action="append",
                default=[],
                metavar="RANK=N[,…]",
                help="extents of ranks, instead of those in the file",
            ),
            option(
                "--objective",
                choices=("latency", "energy", "edp", "dram_bytes"),
                default="latency",
                help="what to minimise (default latency)",
            ),
            option("--cut", action="store_true", help="into several nests, where that is better"),
            option(
                "--budget",
                type=positive,
                default=200_000,
                metavar="N",
                help="mappings to look at, where not all can be (default 200000)",
            ),
            SEED,
        ),
    ),
    Command(
        "plan map",
        "map a program's tensors to a fast memory, after mallocGame",
        "penstock plan map graph:strassen --profile R0.5 --player hybrid -o map.svg",
        "plan_map",
        (
            option("source", metavar="GRAPH", help="a .json graph, graph:NAME, or a MODEL as for compile"),
            option("--target", default="tpu-v4i", metavar="T", help="whose fast tier (default tpu-v4i)"),
            option("--profile", metavar="P", help="instead: T, or R and a share of the peak, such as R0.5"),
            option("--player", default="hybrid", metavar="P", help="who plays (default hybrid)"),
            option(
                "--effort",
                choices=("quick", "full"),
                default="quick",
                help="of the hybrid: seconds, or a minute and all it knows (default quick)",
            ),
            option(
                "--evaluations",
                type=positive,
                default=0,
                metavar="N",
                help="plans a search may price (default 2000; quick: 20000)",
            ),
            RANK_SIZES,
            option(
                "-o",
                "--out",
                type=place,
                metavar="PATH",
                help="write the plan (.json) or a picture of it (.svg)",
            ),
            SEED,
            option("--engine", choices=("local", "ray"), default="local", help="where the agent plays"),
            option("--workers", type=positive, default=0, metavar="N", help="its processes (default: cores)"),
            option(
                "--checkpoint", type=place, metavar="PATH", help="write its training here, and go on from it"
            ),
            option(
                "--curve", type=place, metavar="PATH", help="write its learning curve (.json, .svg, .png)"
            ),
        ),
    ),
    Command(
        "plan swap",
        "plan a training step after MEMO: what of every layer is kept, swapped to the host or recomputed",
        "penstock plan swap zoo:llama-7b-layer,layers=32 --seq 1048576 --gpus 8 -o plan.json",
        "plan_swap",
        (
            option("source", metavar="MODEL", help="zoo:NAME[,key=value…], a language model"),
            option("--seq", type=positive, required=True, metavar="N", help="tokens of the sequence"),
            option("--gpus", type=positive, default=1, metavar="G", help="ranks that share it (default 1)"),
            option("--target", default="a800-node", metavar="T", help="default a800-node"),
            option("--dtype", choices=("bf16", "f32"), default="bf16", help="of activations (default bf16)"),
            option(
                "--policy",
                choices=("general", "memo"),
                default="general",
                help="of every tensor of every layer, or the paper's one fraction (default general)",
            ),
            option("--efficiency", type=amount, metavar="E", help="share of the peak reached (default 0.5)"),
            option("--device", type=positive, metavar="BYTES", help="of a GPU (default: the target's)"),
            option("--host", type=positive, metavar="BYTES", help="of a server (default: the target's)"),
            option(
                "--link", type=amount, metavar="B/S", help="bytes a second to a GPU while all copy, each way"
            ),
            option("--measure", action="store_true", help="time a layer here instead of pricing it"),
            option(
                "--align", type=positive, default=128, metavar="N", help="tokens of a split (default 128)"
            ),
            EFFORT,
            option(
                "-o",
                "--out",
                type=place,
                metavar="PATH",
                help="the plan (.json, .mlir) or a report (.html, .png)",
            ),
            SEED,
        ),
    ),
    Command(
        "plan tiers",
        "place a model in a near and a far tier, after SN40L: shared addresses, and what is spilled",
        "penstock plan tiers zoo:llama-7b-layer --shape s=4096 --near 536870912 -o placed.mlir",
        "plan_tiers",
        (
            option("source", metavar="MODEL", help="as for compile"),
            option("--target", default="sn40l-socket", metavar="T", help="default sn40l-socket"),
            option(
                "--policy",
                choices=("paper", "per-byte", "relief", "exact"),
                default="exact",
                help="who chooses what is spilled (default exact)",
            ),
            option(
                "--near", type=positive, metavar="BYTES", help="size of the near tier (default: the target's)"
            ),
            RANK_SIZES,
            option(
                "-o",
                "--out",
                type=place,
                metavar="PATH",
                help="write the plan (.json) or the placed module (.mlir)",
            ),
        ),
    ),
    Command(
        "plan sections",
        "cut a layer in sections that stream through compute and memory units, after SN40L",
        "penstock plan sections zoo:llama-7b-layer --shape s=4096 --target sn40l-socket",
        "plan_sections",
        (
            option("source", metavar="MODEL", help="as for compile"),
            option("--target", default="sn40l-socket", metavar="T", help="default sn40l-socket"),
            RANK_SIZES,
            option("--tile", type=positive, metavar="N", help="tokens of a tile (default: the fastest)"),
            option(
                "--streams", type=positive, metavar="N", help="across a border (default: 64 for each socket)"
            ),
            option("--launch", type=amount, default=0.0, metavar="US", help="of a section, µs (default 0)"),
            option("-o", "--out", type=place, metavar="F.json", help="write the report"),
            SEED,
        ),
    ),
)
