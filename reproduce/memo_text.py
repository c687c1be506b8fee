"""The comparison with MEMO as tables, and what is to be said about its figures."""

from __future__ import annotations

from collections.abc import Sequence

from .rows import Check, Row, Section
from .tables import deviations

SOURCES = {
    "alpha_cap": "derived: section 4.1's second constraint, 2 TiB for eight GPUs, all of it usable",
    "alpha_bw": "derived: section 4.1's first constraint, with the inferred link",
    "skeletal_bytes": "section 3.2: 4096 GB, in units of 2^30",
    "input_bytes": "section 4.1",
    "attention_share_bytes": "section 4.1",
    "attention_share_flops": "figure 6: over 90 %",
    "crossover_tokens": "figure 1(b) and section 4.1",
    "full_swap_tokens": "derived: section 4.1's second constraint at a fraction of 1",
    "recompute_share": "derived: section 4.1's recomputing over table 1's forward",
    "efficiency": "fitted to the abstract's MFU",
    "simulated_mfu": "abstract",
    "step_seconds": "the abstract's MFU of 52.30 %, causal attention counted half",
    "tokens_per_gpu_s": "the abstract's MFU of 52.30 %, causal attention counted half",
}
"""First part of an id → where its figure is from."""

NOTES = {
    "alpha_bw": "at half of the peak and 10.2 GB/s a GPU, which the crossover gives; not printed",
    "input_bytes": "the paper contradicts itself: by its own 4096 GiB it is 256 GiB",
    "crossover_tokens": "the link's bandwidth is inferred from it",
    "efficiency": "the link's bandwidth and the peak being known, nothing stalls at this length",
    "simulated_mfu": "fitted to by the efficiency; the streams only show that nothing stalls",
    "step_seconds": "a conversion of the printed MFU; its formula is not in the text, 6sP + 6nhs² is assumed",
    "tokens_per_gpu_s": "likewise; about 97 if attention were not counted half",
}
"""First part of an id → what speaks against leaning on it."""

QUIRKS = (
    {
        "name": "128 GB of layer inputs",
        "effect": "section 4.1 says 32 layer inputs of 2^20 tokens take 128 GB; at 16 bit they take 256 GiB, "
        "a sixteenth of section 3.2's 4096 GiB, which is used",
    },
    {
        "name": "no log-sum-exp",
        "effect": "the paper's list of skeletal tensors lacks attention's log-sum-exp, which the backward "
        "needs: 4 bytes for each head and token, 4 GiB over 7B at 2^20 tokens; traced models have it",
    },
    {
        "name": "192K tokens need a slow link",
        "effect": "at half of the peak the crossover gives 10 GB/s a GPU, a third of PCIe 4.0 x16: all GPUs "
        "copy at once",
    },
    {
        "name": "the wait for a buffer",
        "effect": "the text lets layer i + 2 wait for the copies of layer i, but its input slot is written "
        "by layer i + 1 already: the wait stands before that write here",
    },
)

MISSING = (
    "every table of the evaluation, its baselines and its ablation: not at hand",
    "speed-ups over Megatron-LM and DeepSpeed (1.97 and 1.80): the baselines' settings are unknown",
    "fragmentation of figure 1(a): the request log is not published; traced models are in docs/memo.md",
)


def sections(rows: Sequence[Row], checks: Sequence[Check]) -> tuple[Section, ...]:
    """Tables of all figures."""
    caps = [row for row in rows if row.id.startswith("alpha_cap")]
    lengths = list(dict.fromkeys(row.id.split("/")[2] for row in caps))
    models: dict[str, dict[str, float | None]] = {}
    for row in caps:
        _, model, length = row.id.split("/")
        models.setdefault(model, {})[length] = row.ours
    return (
        Section(
            "Largest fraction of tokens that the host holds",
            ("model", *lengths),
            tuple((name, *(found[each] for each in lengths)) for name, found in models.items()),
        ),
        Section(
            "Other figures",
            ("row", "ours", "paper", "off by", "unit", "beware"),
            tuple((*_line(row), row.unit, row.note) for row in rows if row not in caps),
        ),
        deviations(checks),
    )


def _line(row: Row) -> tuple[object, ...]:
    off = "" if row.deviation is None else f"{row.deviation:+.1%}"
    return row.id, row.ours, row.paper, off
