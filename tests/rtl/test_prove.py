"""The proofs hold, and fail where the design is broken: each would notice."""

from __future__ import annotations

from pathlib import Path

import prove
import pytest
from prove import PROOFS, Proof

BROKEN: dict[str, tuple[str, str, str, str]] = {
    "a queue one word too short": ("fifo_formal", "stream_fifo.sv", "push & ~pop", "push"),
    "an answer withdrawn": (
        "axi_lite_formal",
        "axi_lite_slave.sv",
        "if (b_valid_q && b_ready_i)",
        "if (b_valid_q)",
    ),
    "the same reader again": (
        "read_mux_formal",
        "axi_read_mux.sv",
        "IdWidth'(i) > id_q",
        "IdWidth'(i) >= id_q",
    ),
    "a page read before an older access wrote it": (
        "page_dma_formal",
        "bolt_page_dma.sv",
        "        busy = 1'b1;",
        "        busy = 1'b0;",
    ),
    "a write begun after a fault": (
        "page_dma_formal",
        "bolt_page_dma.sv",
        "!sending_q && !aw_valid_q && !fault_i",
        "!sending_q && !aw_valid_q",
    ),
    "a burst across 4 KiB": (
        "read_dma_formal",
        "axi_read_dma.sv",
        "? 10'(MaxBurst) : page_words",
        "? 10'(MaxBurst) : 10'(MaxBurst)",
    ),
    "a burst without room": ("read_dma_formal", "axi_read_dma.sv", ">= 32'(burst)", ">= 32'(burst) - 1"),
    "a strobe too many": (
        "write_dma_formal",
        "axi_write_dma.sv",
        "(first_q && shift_q)",
        "(first_q && 1'b0)",
    ),
    "a burst not counted": (
        "write_dma_formal",
        "axi_write_dma.sv",
        "OpenWidth'(begin_burst) - OpenWidth'(b_valid_i)",
        "'0 - OpenWidth'(b_valid_i)",
    ),
    "a row too late": (
        "drain_formal",
        "bitmod_drain.sv",
        "row_q != RowWidth'(Rows - 1)",
        "row_q != RowWidth'(Rows)",
    ),
    "no carry of rounding": (
        "accumulate_formal",
        "bitmod_step_pkg.sv",
        "sum    = $unsigned($signed(sum) >>> 1);",
        "sum    = sum;",
    ),
    "a touched slot as old as before": ("lru_formal", "sn40l_lru.sv", "newer_q[i] & ~touched", "newer_q[i]"),
    "a credit given back twice": (
        "credit_formal",
        "credit_buf.sv",
        "!spend_i && return_i[i])  count_q[i] <= count_q[i] + Width'(1)",
        "!spend_i && return_i[i])  count_q[i] <= count_q[i] + Width'(2)",
    ),
    "ready with one empty": (
        "credit_formal",
        "credit_buf.sv",
        "assign ready_o = &some",
        "assign ready_o = |some",
    ),
    "the highest row is not looked at": (
        "segment_check_formal",
        "sn40l_segment_check.sv",
        "(span2[SpanWidth-1] ? '0 : SumWidth'(span2))",
        "'0",
    ),
    "the lowest row is not looked at": (
        "segment_check_formal",
        "sn40l_segment_check.sv",
        "low[SumWidth-1] ||",
        "1'b0 ||",
    ),
    "a segment beyond its tier": (
        "segment_check_formal",
        "sn40l_segment_check.sv",
        "high + $signed(SumWidth'(base_i)) >",
        "high >",
    ),
    "a row refused in vain": (
        "segment_check_formal",
        "sn40l_segment_check.sv",
        "high > $signed(SumWidth'(limit_i))",
        "high >= $signed(SumWidth'(limit_i))",
    ),
    "a wrong tag passes": ("aead_formal", "bolt_aead.sv", "&& tag != word", "&& 1'b0"),
    "a wrong tag forgotten in a clear": (
        "aead_formal",
        "bolt_aead.sv",
        "if (wrong || state_q == Dead)",
        "if ((wrong && !clear_i) || state_q == Dead)",
    ),
    "ties to odd": ("shift_formal", "bitmod_step_pkg.sv", "odd & mask[0]", "~odd & mask[0]"),
    "a digit's window moved": ("terms_formal", "bitmod_term_booth.sv", "code_i[5:3]", "code_i[6:4]"),
}


@pytest.fixture(scope="module")
def design(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return prove.sources(tmp_path_factory.mktemp("design"))


def one_of(top: str) -> Proof:
    """The largest configuration of a proof that takes seconds."""
    return [proof for proof in PROOFS if proof.top == top][-1]


@pytest.mark.slow
@pytest.mark.parametrize("top", sorted({proof.top for proof in PROOFS} - {"dequant_formal", "align_formal"}))
def test_a_proof_holds(design: list[Path], tmp_path: Path, top: str) -> None:
    result = prove.prove(one_of(top), design, tmp_path)
    assert result.status == "proved", result.said[-2000:]


@pytest.mark.slow
@pytest.mark.parametrize("name", BROKEN)
def test_a_proof_fails_on_a_broken_design(design: list[Path], tmp_path: Path, name: str) -> None:
    top, file, before, after = BROKEN[name]
    changed = []
    for path in design:
        text = path.read_text(encoding="utf-8")
        if path.name == file:
            assert text.count(before) >= 1, f"the text to change is not in {file}"
            changed.append(tmp_path / file)
            changed[-1].write_text(text.replace(before, after, 1), encoding="utf-8")
        else:
            changed.append(path)
    assert prove.prove(one_of(top), changed, tmp_path).status == "refuted"


def test_what_abc_says_is_read_rightly() -> None:
    forever, bounded = Proof("b", "c", "t"), Proof("b", "c", "t", depth=5)
    proved = (
        "Invariant F[2] : 7 clauses with 0 flops\n"
        "Verification of invariant with 7 clauses was successful.\nProperty proved."
    )
    assert prove._read(proved, forever)[0] == "proved"
    assert prove._read("Output 0 of miter was asserted in frame 3.", forever) == ("refuted", "in cycle 3")
    assert prove._read("No output asserted in 5 frames.", bounded)[0] == "proved"
    assert prove._read("No output asserted in 3 frames. Resource limit reached.", bounded)[0] == "undecided"
    assert prove._read("Timeout.", forever)[0] == "undecided"
