// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// A page, what waits for it, and one key that is to leave: the page to be written, and that key's value.
//
// Of the page's valid slots, then of the waiting entries, all but the key's are moved together from slot 0
// on, in their order; slots behind them are zero. 2 * Slots entries pass a network of $clog2(2 * Slots)
// stages, one a cycle, whatever moves: done_o is there 2 + $clog2(2 * Slots) cycles after start_i, for a
// cycle, and the next start may come with it. The value is that of a slot of the page; a waiting entry of
// the key only leaves. over_o, with done_o: more than Slots are left, and the page is of no use.
//
// A page is its plaintext, byte 0 in the lowest bits: 64 bits of valid slots, Slots times key and value,
// zeros. clear_i zeroes all that is held.

module bolt_merge #(
  parameter  int unsigned ValueBytes = 16,
  localparam int unsigned Slots      = bolt_pkg::Slots,
  localparam int unsigned ValueBits  = 8 * ValueBytes,
  localparam int unsigned PlainBits  = 8 * (bolt_pkg::page_bytes(ValueBytes) - 16)
) (
  input  logic                            clk_i,
  input  logic                            rst_ni,
  input  logic                            clear_i,
  input  logic                            start_i,
  input  logic [PlainBits-1:0]            page_i,
  input  bolt_pkg::pending_t [Slots-1:0]  pending_i,
  input  logic [Slots-1:0][ValueBits-1:0] values_i,  // of the waiting entries
  input  logic [bolt_pkg::KeyWidth-1:0]   key_i,
  input  logic                            key_en_i,  // else nobody leaves
  output logic                            done_o,
  output logic [PlainBits-1:0]            page_o,
  output logic                            hit_o,     // the key was in the page
  output logic [ValueBits-1:0]            value_o,   // zero without a hit
  output logic                            over_o
);

  localparam int unsigned KeyWidth   = bolt_pkg::KeyWidth;
  localparam int unsigned Entries    = 2 * Slots;
  localparam int unsigned Stages     = $clog2(Entries);
  localparam int unsigned EntryWidth = KeyWidth + ValueBits;
  localparam int unsigned MaskWidth  = 64;

  logic [Stages+1:0]                  step_q;  // one bit of the cycles after start_i
  logic [Entries-1:0]                 there_q, leaves, stays;
  logic [Entries-1:0][EntryWidth-1:0] entry_q;
  logic [Entries-1:0][Stages-1:0]     shift_q, shift;  // how far an entry moves
  logic                               key_en_q, hit_q, over_q;
  logic [KeyWidth-1:0]                key_q;
  logic [ValueBits-1:0]               value_q, value;
  logic [Stages:0]                    staying;

  // Who leaves, who stays, and how many places before each are free then.
  always_comb begin
    value   = '0;
    staying = '0;
    for (int unsigned i = 0; i < Entries; i++) begin
      leaves[i] = there_q[i] && key_en_q && entry_q[i][KeyWidth-1:0] == key_q;
      stays[i]  = there_q[i] && !leaves[i];
      shift[i]  = Stages'((Stages + 1)'(i) - staying);
      staying   = staying + (Stages + 1)'(stays[i]);
      if (i < Slots && leaves[i]) value = value | entry_q[i][EntryWidth-1:KeyWidth];
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      step_q   <= '0;
      key_en_q <= 1'b0;
      key_q    <= '0;
      hit_q    <= 1'b0;
      value_q  <= '0;
      over_q   <= 1'b0;
    end else if (clear_i) begin
      step_q   <= '0;
      key_en_q <= 1'b0;
      key_q    <= '0;
      hit_q    <= 1'b0;
      value_q  <= '0;
      over_q   <= 1'b0;
    end else begin
      step_q <= {step_q[Stages:0], start_i};
      if (start_i) begin
        key_en_q <= key_en_i;
        key_q    <= key_i;
      end
      if (step_q[0]) begin
        hit_q   <= leaves[Slots-1:0] != '0;
        value_q <= value;
        over_q  <= staying > (Stages + 1)'(Slots);
      end
    end
  end

  // Stage s moves what is to move by 2**s among other distances. No two meet: of two entries the latter
  // moves at least as far as the former, and further by less than the way between them.
  for (genvar i = 0; i < Entries; i++) begin : gen_entry
    /* verilator lint_off UNUSEDSIGNAL */  // the frame's number
    bolt_pkg::pending_t pending;
    /* verilator lint_on UNUSEDSIGNAL */
    assign pending = pending_i[i % Slots];
    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) begin
        there_q[i] <= 1'b0;
        entry_q[i] <= '0;
        shift_q[i] <= '0;
      end else if (clear_i) begin
        there_q[i] <= 1'b0;
        entry_q[i] <= '0;
        shift_q[i] <= '0;
      end else if (start_i) begin
        if (i < Slots) begin
          there_q[i] <= page_i[i % Slots];
          entry_q[i] <= page_i[MaskWidth + (i % Slots)*EntryWidth +: EntryWidth];
        end else begin
          there_q[i] <= pending.valid;
          entry_q[i] <= {values_i[i % Slots], pending.key};
        end
      end else if (step_q[0]) begin
        there_q[i] <= stays[i];
        entry_q[i] <= stays[i] ? entry_q[i] : '0;
        shift_q[i] <= stays[i] ? shift[i] : '0;
      end else begin
        for (int unsigned s = 0; s < Stages; s++) begin
          if (step_q[s+1]) begin
            if (i + 2**s < Entries && shift_q[(i + 2**s) % Entries][s]) begin
              there_q[i] <= there_q[(i + 2**s) % Entries];
              entry_q[i] <= entry_q[(i + 2**s) % Entries];
              shift_q[i] <= shift_q[(i + 2**s) % Entries];
            end else if (shift_q[i][s]) begin
              there_q[i] <= 1'b0;
              entry_q[i] <= '0;
              shift_q[i] <= '0;
            end
          end
        end
      end
    end
  end

  always_comb begin
    page_o = '0;
    for (int unsigned i = 0; i < Slots; i++) begin
      page_o[i] = there_q[i];
      page_o[MaskWidth + i*EntryWidth +: EntryWidth] = entry_q[i];
    end
  end

  assign done_o  = step_q[Stages+1];
  assign hit_o   = hit_q;
  assign value_o = value_q;
  assign over_o  = done_o && over_q;

  if (ValueBytes < 4 || ValueBytes % 4 != 0) begin : gen_bad_value
    $error("bolt_merge: ValueBytes must be a multiple of 4");
  end

endmodule
