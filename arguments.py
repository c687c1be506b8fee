"""The commands and their arguments: the table that the parser, the help and the documentation follow."""

from __future__ import annotations

from .options import (
    BUNDLE,
    FULL,
    MODEL,
    OUT,
    PIPELINE,
    SEED,
    TARGET,
    THREADS,
    Command,
    extents,
    names,
    option,
    place,
    positive,
    rate,
    shape,
    sizes,
    temperature,
    tokens,
    whole,
)
from .plan_arguments import PLANS

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
            option(
                "--precision",
                metavar="P",
                help="of contractions: fp32, or bf16 with sums in fp32 (default: bf16 on a GPU, else fp32)",
            ),
            option(
                "--private",
                type=names,
                default=(),
                metavar="NAME[,NAME…]",
                help="index inputs that nobody may see: look-ups by them go through an oblivious map; "
                "of zoo:coe: expert, who answers, or input_ids, and with them who answers",
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
            option(
                "--tune",
                nargs="?",
                const=True,
                metavar="BUNDLE",
                help="measure how kernels are best cut on this machine, once; or cut them as in BUNDLE",
            ),
            option(
                "--nvcc",
                nargs="?",
                const=True,
                metavar="PATH",
                help="CUDA: compile by a toolkit's nvcc, the one on PATH or this, instead of NVRTC",
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
            option("-o", "--out", type=place, metavar="F.npz", help="write the outputs here"),
            option("--profile", action="store_true", help="time each kernel; with --json each step too"),
            option("--generate", type=positive, metavar="N", help="decoders: generate N tokens"),
            option("--prompt", type=tokens, metavar="IDS", help="behind these tokens, as 1,2,3"),
            option("--prompt-length", type=positive, metavar="P", help="or behind P random ones (default 8)"),
            option(
                "--temperature",
                type=temperature,
                default=0.0,
                metavar="T",
                help="draw tokens at this temperature (default 0: take the likeliest)",
            ),
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
        "serve",
        "serve random prompts from a Composition of Experts, beside the cost model",
        "penstock serve coe --slots 40 --requests zipf:1.0 --ahead 1",
        "serve_experts",
        (
            option(
                "bundle",
                metavar="BUNDLE",
                help="a bundle of zoo:coe (compiled with --private: who answers is hidden), "
                "or rtl:experts=N,width=W: tiny experts on the simulated RTL",
            ),
            option("--slots", type=positive, metavar="N", help="experts kept near (default 8)"),
            option("--ahead", type=whole, default=0, metavar="N", help="experts copied ahead (default 0)"),
            option("--batch", type=positive, default=8, metavar="N", help="prompts of a batch (default 8)"),
            option("--batches", type=positive, default=100, metavar="N", help="how many (default 100)"),
            option(
                "--requests",
                default="uniform",
                metavar="HOW",
                help="uniform (default), zipf:EXPONENT, or routed by the router",
            ),
            option("--state", action="store_true", help="rtl: runs write into their experts"),
            option("--ddr", type=rate, metavar="B", help="rtl: DDR's bytes a cycle (default 8)"),
            option("--latency", type=whole, default=0, metavar="N", help="rtl: cycles of a host's command"),
            SEED,
            THREADS,
        ),
    ),
    Command(
        "simulate",
        "simulate a bundle's Verilog, or execute its memory maps, and compare",
        "penstock simulate block --driver cpp --memory-latency 120",
        "simulate_bundle",
        (
            BUNDLE,
            option("--design", metavar="NAME", help="which design, where the bundle holds several"),
            option("--driver", choices=("cpp", "cocotb"), default="cpp", help="default cpp"),
            option(
                "--trace",
                type=place,
                metavar="F",
                help="write waveforms: .vcd, or .fst where lz4.h is installed",
            ),
            option("--trace-window", metavar="A:B", help="a block on a fabric: of these cycles only"),
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
                help="activations by layer, or q, k, v; of a map, its arguments (default: the stored ones)",
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
            option("-o", "--out", type=place, metavar="REPORT.html", help="write a self-contained page"),
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
            option(
                "-o",
                "--out",
                type=place,
                metavar="FILE.mlir",
                help="write the result here instead of printing it",
            ),
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
    *PLANS,
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
            option(
                "-o", "--out", type=place, metavar="PAGE.html", help="write a self-contained page with plots"
            ),
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
