"""The commands and their arguments: the tables that the parser, the help and the documentation follow."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Option:
    """One argument of a command: its flags (or its positional name) and argparse's settings for it."""

    flags: tuple[str, ...]
    settings: dict[str, Any]


@dataclass(frozen=True)
class Command:
    """One command: its name, of one or two words, and the function of ``commands`` that does it."""

    name: str
    summary: str
    example: str
    run: str
    options: tuple[Option, ...] = field(default=())


def option(*flags: str, **settings: Any) -> Option:
    """An argument, written as for ``ArgumentParser.add_argument``."""
    return Option(flags, settings)


def positive(text: str) -> int:
    """A whole number from 1 up."""
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return int(text)


def whole(text: str) -> int:
    """A whole number from 0 up."""
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 up")
    return int(text)


def sizes(text: str) -> list[int]:
    """``64,128,256`` as numbers."""
    return [positive(part) for part in text.split(",")]


def shape(text: str) -> tuple[str, list[int]]:
    """``s=64,128``: a rank and the sizes it is compiled for."""
    rank, equals, numbers = text.partition("=")
    if not equals or not rank.isidentifier():
        raise argparse.ArgumentTypeError(f"{text!r} is not RANK=N[,N…], such as s=64,128")
    return rank, sizes(numbers)


def extents(text: str) -> dict[str, int]:
    """``e=64,f=64``: ranks and their extents."""
    found: dict[str, int] = {}
    for part in text.split(","):
        rank, equals, number = part.strip().partition("=")
        if not equals or not rank.isidentifier():
            raise argparse.ArgumentTypeError(f"{text!r} is not RANK=N[,RANK=N…], such as e=64,f=64")
        if rank in found:
            raise argparse.ArgumentTypeError(f"{text!r} gives {rank} twice")
        found[rank] = positive(number)
    return found


def pool(text: str) -> tuple[str, int]:
    """``sram=65536``: a pool and its bytes."""
    name, equals, number = text.partition("=")
    if not equals or not name or any(character.isspace() for character in name):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=BYTES, such as sram=65536")
    return name, positive(number)


MODEL = option(
    "model", metavar="MODEL", help="zoo:NAME[,key=value…], path.py:callable, file.pt2 or file.mlir"
)
BUNDLE = option("bundle", metavar="BUNDLE", help="a directory that `penstock compile` wrote")
OUT = option("-o", "--out", metavar="PATH", help="where to write")
SEED = option("--seed", type=int, default=0, help="seed of everything random (default 0)")
THREADS = option("--threads", type=positive, metavar="N", help="threads to use (default: the cores present)")
TARGET = option(
    "--target", default="cpu", metavar="T", help="a name from `penstock targets`, or a .toml file"
)
PIPELINE = option(
    "--pipeline", metavar="PASSES", help='passes in order, such as "relabel,simplify,fuse,place"'
)
FULL = option("--full", action="store_true", help="recompute what is otherwise read from a stored result")

COMMANDS = (
    Command(
        "compile",
        "compile a model to a bundle",
        "penstock compile zoo:minilm-l6 --shape s=64,128,256 -o minilm",
        "compile_model",
        (
            MODEL,
            TARGET,
            option(
                "--shape",
                type=shape,
                action="append",
                default=[],
                metavar="RANK=N[,N…]",
                help="sizes a rank is compiled for, one entry point each; repeat for other ranks",
            ),
            option("--dtype", default="f32", help="type of the computation (default f32)"),
            option(
                "--quantize",
                metavar="SCHEME",
                help="number format of the weights, such as bitmod4 (docs/quantize.md)",
            ),
            PIPELINE,
            option(
                "--emit",
                choices=("mlir", "llvm", "asm", "cuda", "verilog"),
                help="print this text too; without -o nothing is kept",
            ),
            OUT,
            option(
                "--layer",
                metavar="NAME",
                help="Verilog targets: a linear layer, a module whose linear layers to emit, or an attention",
            ),
            option("--head", type=whole, metavar="N", help="attention in Verilog: which head (default 0)"),
            option("--verify", action="store_true", help="compare with eager PyTorch afterwards"),
            SEED,
        ),
    ),
    Command(
        "run",
        "run a bundle's CPU code on given or random inputs",
        "penstock run minilm --input sentences.npz -o embeddings.npz",
        "run_bundle",
        (
            BUNDLE,
            option("--input", metavar="F.npz", help="arrays by input name (default: random, from --seed)"),
            option("-o", "--out", metavar="F.npz", help="write the outputs here"),
            option("--profile", action="store_true", help="time each step"),
            SEED,
            THREADS,
        ),
    ),
    Command(
        "verify",
        "compare a bundle with eager PyTorch, layer by layer",
        "penstock verify minilm --lengths 7,64,128,256",
        "verify_bundle",
        (
            BUNDLE,
            option("--lengths", type=sizes, metavar="N[,N…]", help="sequence lengths to compare at"),
            SEED,
        ),
    ),
    Command(
        "simulate",
        "simulate a bundle's Verilog and compare with the oracle and the cost model",
        "penstock simulate block --driver cpp --memory-latency 120",
        "simulate_bundle",
        (
            BUNDLE,
            option("--design", metavar="NAME", help="which design, where the bundle holds several"),
            option("--driver", choices=("cpp", "cocotb"), default="cpp", help="default cpp"),
            option("--trace", metavar="F", help="write waveforms: .vcd, or .fst where lz4.h is installed"),
            option("--max-cycles", type=positive, metavar="N", help="give up after this many clock cycles"),
            option(
                "--memory-latency",
                type=positive,
                metavar="N",
                help="cycles the memory takes to answer (default: the target's)",
            ),
            option(
                "--inputs",
                metavar="F.npz",
                help="activations by layer, or q, k, v (default: the stored ones)",
            ),
        ),
    ),
    Command(
        "report",
        "tabulate bundles; write one HTML page",
        "penstock report minilm block -o report.html",
        "report_bundles",
        (
            option("bundle", nargs="+", metavar="BUNDLE", help="directories that `penstock compile` wrote"),
            option("-o", "--out", metavar="REPORT.html", help="write a self-contained page"),
        ),
    ),
    Command(
        "opt",
        "run passes on an MLIR file",
        'penstock opt model.mlir --pipeline "relabel,simplify,fuse" --print-after-all',
        "optimise",
        (
            option("file", metavar="FILE.mlir", help="the module"),
            option("--pipeline", metavar="PASSES", required=True, help='such as "relabel,simplify,fuse"'),
            option("-o", "--out", metavar="FILE.mlir", help="write the result here instead of printing it"),
            option(
                "--print-after-all", action="store_true", help="print the module after each pass (stderr)"
            ),
            option("--timing", action="store_true", help="print the time each pass took (stderr)"),
        ),
    ),
    Command(
        "analyze",
        "show passes, footprints, traffic and its bounds, rewrites, and how fusion gets there",
        "penstock analyze examples/cascades/attention3.txt --target fusemax-cloud --shape m=65536,p=65536",
        "analyze_model",
        (
            option("model", metavar="MODEL", help="as for compile, or a .txt file of Einsums"),
            option("--target", metavar="T", help="work out the traffic for this machine's buffer"),
            option("--buffer", type=positive, metavar="BYTES", help="or for a buffer of this size"),
            option(
                "--shape",
                type=extents,
                action="append",
                default=[],
                metavar="RANK=N[,RANK=N…]",
                help="extents, instead of those of the text",
            ),
            option("--rank", metavar="RANK", help="only this rank"),
            option(
                "--element-bytes",
                type=positive,
                metavar="N",
                help="bytes of an element of a text (default 2)",
            ),
        ),
    ),
    Command(
        "price",
        "cost a model's matrix products on an accelerator of the BitMoD paper",
        "penstock price zoo:llama-tiny --target olive-paper --weights 4.5",
        "price_model",
        (
            option("model", metavar="MODEL", help="as for compile, or a bundle"),
            option("--target", default="bitmod-paper", metavar="T", help="default bitmod-paper"),
            option(
                "--weights", default="bitmod4", metavar="W", help="a number format, or bits (default bitmod4)"
            ),
        ),
    ),
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
            option("-o", "--out", metavar="OUT.csv", help="write the buffers with their offsets"),
            option("--plot", metavar="MAP.svg", help="write a picture: bytes over steps"),
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
            option("--rows", type=positive, metavar="N", help="rows of the array (default: the target's)"),
            option("--cols", type=positive, metavar="N", help="its columns, and lanes of the 1D row"),
            option("-o", "--out", metavar="F", help="draw the epoch: .svg or .html"),
            option("--time-limit", type=positive, default=20, metavar="S", help="for CP-SAT (default 20)"),
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
                "--evaluations",
                type=positive,
                default=2000,
                metavar="N",
                help="plans a search may price (default 2000)",
            ),
            option(
                "--shape",
                type=extents,
                action="append",
                default=[],
                metavar="RANK=N[,RANK=N…]",
                help="sizes of a model's ranks",
            ),
            option("-o", "--out", metavar="PATH", help="write the plan (.json) or a picture of it (.svg)"),
            SEED,
            option("--engine", choices=("local", "ray"), default="local", help="where the agent plays"),
            option("--workers", type=positive, default=0, metavar="N", help="its processes (default: cores)"),
            option("--checkpoint", metavar="PATH", help="write its training here, and go on from it"),
            option("--curve", metavar="PATH", help="write its learning curve (.json, .svg, .png)"),
        ),
    ),
    Command(
        "plan swap",
        "plan activation swapping with MEMO",
        "penstock plan swap zoo:gpt2-small --target h200",
        "not_built",
        (MODEL, TARGET),
    ),
    Command(
        "plan tiers",
        "place a model on three memory tiers",
        "penstock plan tiers zoo:llama-7b-layer --target sn40l-node",
        "not_built",
        (MODEL, TARGET),
    ),
    Command(
        "reproduce",
        "print a paper's published figures beside ours",
        "penstock reproduce fusemax -o fusemax.html",
        "reproduce_paper",
        (
            option(
                "paper", choices=("fusemax", "mallocgame", "memo", "bitmod", "sn40l", "bolt"), help="which"
            ),
            FULL,
            option("-o", "--out", metavar="PAGE.html", help="write a self-contained page with plots"),
        ),
    ),
    Command(
        "explore",
        "sweep a design space",
        "penstock explore space.toml --engine local",
        "not_built",
        (
            option("file", metavar="SPACE.toml", help="parameters and their values"),
            option("--engine", choices=("local", "ray"), default="local", help="default local"),
        ),
    ),
    Command(
        "targets",
        "list the machines penstock knows",
        "penstock targets --measure",
        "list_targets",
        (option("--measure", action="store_true", help="also time this machine's main memory"),),
    ),
    Command("models", "list the models of the zoo", "penstock models", "list_models"),
    Command(
        "doctor", "say what is installed, what is missing and how to get it", "penstock doctor", "examine"
    ),
)
