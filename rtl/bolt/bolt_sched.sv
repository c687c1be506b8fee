// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// The front of an access: all its metadata, settled before the next access begins.
//
// A slot takes a constant number of cycles whatever the operation and whether the key is there: hash of the
// key, lookup of its two bins, both walks of Slots steps, the choice of a new bin, the map's update. Where
// it comes in the slot is all in the table below, counted from the lookup's result. A slot begins when a
// command waits, the DRBG has words, and the ring of pages and the queue of accesses have room: things that
// depend on what the host sees and does alone. Since the map is up to date when a slot ends, an access to
// the key of the one before simply finds its new pair: nothing is stalled or merged.
//
// The units for hashing, metadata and pages are beside it, in bolt_top; those named here answer after a
// constant time. What was found goes to the value stage as one record.

module bolt_sched #(
  parameter int unsigned HbmBins   = 102,
  parameter int unsigned ValueBits = 128
) (
  input  logic                                clk_i,
  input  logic                                rst_ni,
  input  logic                                clear_i,  // after a fault: no slot begins, what is held is zeroed
  input  logic                                ready_i,  // all units are initialised, keys are there
  output logic                                slot_o,   // a slot begins
  output logic                                error_o,  // a unit did not answer in its step
  // Command
  input  logic                                cmd_valid_i,
  output logic                                cmd_ready_o,
  input  bolt_pkg::op_e                       cmd_op_i,
  input  logic [bolt_pkg::KeyWidth-1:0]       cmd_key_i,
  input  logic [ValueBits-1:0]                cmd_value_i,
  // Two pairs of bins: the fresh one, the one to remap to; taken when a slot begins
  input  logic                                draw_valid_i,
  input  bolt_pkg::pair_t                     fresh_i,
  input  bolt_pkg::pair_t                     remap_i,
  // Hash of the key, then the position map
  input  logic                                prf_done_i,
  output logic                                lookup_o,
  output logic [bolt_pkg::KeyWidth-1:0]       key_o,
  input  logic                                found_i,
  input  logic                                hit_i,
  input  bolt_pkg::entry_t                    entry_i,
  output logic                                update_o,
  output logic                                keep_o,
  output bolt_pkg::entry_t                    entry_o,
  // Loads: the old bin's down, the less loaded new one's up
  output logic                                load_o,
  output logic                                dec_en_o,
  output logic [bolt_pkg::BinWidth-1:0]       dec_bin_o,
  output logic                                inc_en_o,
  output bolt_pkg::pair_t                     load_pair_o,
  input  logic                                load_valid_i,
  input  logic                                which_i,
  input  logic                                full_i,
  // Frames and places of the stash
  output logic                                alloc_o,
  output logic                                alloc_frame_en_o,
  input  logic [bolt_pkg::FrameWidth-1:0]     frame_i,
  output logic                                alloc_place_en_o,
  input  logic [bolt_pkg::FrameWidth-1:0]     place_i,
  output logic                                release_o,
  output logic                                release_en_o,
  output logic [bolt_pkg::FrameWidth-1:0]     release_frame_o,
  output logic                                release_place_o,
  // Pending lists
  output logic                                walk_o,
  output logic                                walk_en_o,
  output logic [bolt_pkg::BinWidth-1:0]       walk_bin_o,
  input  logic                                step_valid_i,
  input  bolt_pkg::pending_t                  step_i,
  input  logic [bolt_pkg::CounterWidth-1:0]   counter_i,
  output logic                                append_o,
  output logic                                append_en_o,
  output logic [bolt_pkg::BinWidth-1:0]       append_bin_o,
  output logic [bolt_pkg::FrameWidth-1:0]     append_frame_o,
  // Pages
  input  logic                                room_i,
  output logic                                claim_o,
  output logic [1:0]                          claim_host_o,
  output logic [1:0][bolt_pkg::BinWidth-1:0]  claim_page_o,
  // To the value stage, which has room for the access of every slot that begins
  output logic                                access_valid_o,
  output bolt_pkg::access_t                   access_o,
  output logic [ValueBits-1:0]                value_o,
  output bolt_pkg::pending_t [2*bolt_pkg::Slots-1:0] pending_o  // the walk of x lowest, oldest first
);

  // Steps of a slot, from the cycle after the lookup's result on.
  localparam int unsigned BinWidth  = bolt_pkg::BinWidth;
  localparam int unsigned Slots     = bolt_pkg::Slots;
  localparam int unsigned StepWidth = $clog2(2 * Slots + 6);
  localparam logic [StepWidth-1:0] AtPages    = StepWidth'(0);  // pages claimed; loads; walk of x
  localparam logic [StepWidth-1:0] AtRelease  = StepWidth'(1);  // of the frame or place that the map named
  localparam logic [StepWidth-1:0] AtChoice   = StepWidth'(6);  // between the bins of the new pair
  localparam logic [StepWidth-1:0] AtAlloc    = StepWidth'(7);  // of a frame and a place
  localparam logic [StepWidth-1:0] AtUpdate   = StepWidth'(8);  // of the map
  localparam logic [StepWidth-1:0] AtWalkY    = StepWidth'(Slots + 2);      // after the last step of x
  localparam logic [StepWidth-1:0] AtAppend   = StepWidth'(2 * Slots + 4);  // after the last step of y
  localparam logic [StepWidth-1:0] AtHandOver = StepWidth'(2 * Slots + 5);

  typedef enum logic [1:0] {
    Idle,
    Hash,
    Lookup,
    Slot
  } phase_e;

  phase_e               phase_q;
  logic [StepWidth-1:0] step_q;
  logic                 slot;

  bolt_pkg::op_e                    op_q;
  logic [bolt_pkg::KeyWidth-1:0]    key_q;
  logic [ValueBits-1:0]             value_q;
  bolt_pkg::pair_t                  remap_q;
  logic [1:0][BinWidth-1:0]         bin_q;  // of the access
  logic [1:0][bolt_pkg::CounterWidth-1:0] counters_q;
  bolt_pkg::entry_t                 old_q;
  logic [bolt_pkg::FrameWidth-1:0]  frame_q, new_frame_q, new_place_q;  // of the value; of the new one
  logic                             hit_q, framed_q, which_q, full_q;
  bolt_pkg::pending_t [2*Slots-1:0] pending_q;

  // Bins from HbmBins on are the host's: numbers of their pages, negative for the others.
  function automatic logic [BinWidth:0] page_number(logic [BinWidth-1:0] bin);
    page_number = {1'b0, bin} - (BinWidth + 1)'(HbmBins);
  endfunction

  logic [1:0][BinWidth:0] pages;
  logic [1:0]             host;
  for (genvar lane = 0; lane < 2; lane++) begin : gen_bin
    assign pages[lane] = page_number(bin_q[lane]);
    assign host[lane]  = !pages[lane][BinWidth];
  end

  // What becomes of the value: PUT and a GET that hit store one, in the less loaded bin of the new pair.
  logic                keep, in_hbm, stashed, chosen_host, walks_y;
  logic [BinWidth-1:0] chosen;
  logic [BinWidth:0]   chosen_page;

  assign keep        = op_q == bolt_pkg::OpPut || (op_q == bolt_pkg::OpGet && hit_q);
  assign in_hbm      = hit_q && old_q.state == bolt_pkg::StateHbm;
  assign stashed     = hit_q && old_q.state == bolt_pkg::StateStash;
  assign chosen      = which_q ? remap_q.y : remap_q.x;
  assign chosen_page = page_number(chosen);
  assign chosen_host = !chosen_page[BinWidth];
  assign walks_y     = step_q == AtWalkY;

  assign slot        = phase_q == Slot;
  assign cmd_ready_o = phase_q == Idle && ready_i && !clear_i && draw_valid_i && room_i;
  assign slot_o      = cmd_ready_o && cmd_valid_i;
  assign error_o     = load_valid_i != (slot && step_q == AtChoice);

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      phase_q <= Idle;
      step_q  <= '0;
    end else if (clear_i) begin
      phase_q <= Idle;
      step_q  <= '0;
    end else begin
      case (phase_q)
        Idle:    if (slot_o) phase_q <= Hash;
        Hash:    if (prf_done_i) phase_q <= Lookup;
        Lookup:  if (found_i) phase_q <= Slot;
        default: begin
          step_q <= step_q + StepWidth'(1);
          if (step_q == AtHandOver) begin
            phase_q <= Idle;
            step_q  <= '0;
          end
        end
      endcase
    end
  end

  // What is known of the access. A NOP finds nothing.
  logic hit;

  assign hit = hit_i && op_q != bolt_pkg::OpNop;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      op_q        <= bolt_pkg::OpNop;
      key_q       <= '0;
      value_q     <= '0;
      bin_q       <= '0;
      remap_q     <= '0;
      counters_q  <= '0;
      old_q       <= '0;
      frame_q     <= '0;
      new_frame_q <= '0;
      new_place_q <= '0;
      hit_q       <= 1'b0;
      framed_q    <= 1'b0;
      which_q     <= 1'b0;
      full_q      <= 1'b0;
      pending_q   <= '0;
    end else if (clear_i) begin
      key_q     <= '0;
      value_q   <= '0;
      bin_q     <= '0;
      remap_q   <= '0;
      old_q     <= '0;
      pending_q <= '0;
    end else begin
      if (slot_o) begin
        op_q    <= cmd_op_i;
        key_q   <= cmd_key_i;
        value_q <= cmd_value_i;
        bin_q   <= {fresh_i.y, fresh_i.x};
        remap_q <= remap_i;
      end
      if (phase_q == Lookup && found_i) begin
        hit_q    <= hit;
        old_q    <= entry_i;
        frame_q  <= entry_i.frame;
        framed_q <= hit && entry_i.state == bolt_pkg::StateHbm;
        if (hit) bin_q <= {entry_i.pair.y, entry_i.pair.x};
      end
      if (step_valid_i) begin
        pending_q <= {step_i, pending_q[2*Slots-1:1]};
        if (step_i.valid && hit_q && step_i.key == key_q) begin
          framed_q <= 1'b1;
          frame_q  <= step_i.frame;
        end
      end
      if (slot && step_q == AtChoice) begin
        which_q <= which_i;
        full_q  <= full_i;
      end
      if (slot && step_q == AtUpdate) begin
        new_frame_q <= frame_i;
        new_place_q <= place_i;
      end
      if (slot && walks_y)            counters_q[0] <= counter_i;
      if (slot && step_q == AtAppend) counters_q[1] <= counter_i;
    end
  end

  assign lookup_o = phase_q == Hash && prf_done_i;
  assign key_o    = slot_o ? cmd_key_i : key_q;

  assign claim_o      = slot && step_q == AtPages;
  assign claim_host_o = host;
  assign claim_page_o = {pages[1][BinWidth-1:0], pages[0][BinWidth-1:0]};

  assign load_o      = slot && step_q == AtPages;
  assign dec_en_o    = hit_q && !stashed;
  assign dec_bin_o   = bin_q[old_q.which];
  assign inc_en_o    = keep;
  assign load_pair_o = remap_q;

  assign alloc_o          = slot && step_q == AtAlloc;
  assign alloc_frame_en_o = keep && !full_q;
  assign alloc_place_en_o = keep && full_q;

  // Frames come back: the one that the map names, then those of both walks.
  assign release_o       = (slot && step_q == AtRelease) || step_valid_i;
  assign release_en_o    = step_valid_i ? step_i.valid : in_hbm;
  assign release_frame_o = step_valid_i ? step_i.frame : old_q.frame;
  assign release_place_o = slot && step_q == AtRelease && stashed;

  // A NOP puts back what it happened to find.
  assign update_o = slot && step_q == AtUpdate;
  assign keep_o   = keep || (op_q == bolt_pkg::OpNop && hit_i);

  always_comb begin
    entry_o       = '0;
    entry_o.key   = key_q;
    entry_o.pair  = remap_q;
    entry_o.which = which_q;
    entry_o.state = full_q ? bolt_pkg::StateStash : chosen_host ? bolt_pkg::StatePending : bolt_pkg::StateHbm;
    entry_o.frame = full_q ? place_i : frame_i;
    if (op_q == bolt_pkg::OpNop) entry_o = old_q;
  end

  assign walk_o         = slot && (step_q == AtPages || walks_y);
  assign walk_en_o      = host[walks_y];
  assign walk_bin_o     = pages[walks_y][BinWidth-1:0];
  assign append_o       = slot && step_q == AtAppend;
  assign append_en_o    = keep && !full_q && chosen_host;
  assign append_bin_o   = chosen_page[BinWidth-1:0];
  assign append_frame_o = new_frame_q;

  assign access_valid_o = slot && step_q == AtHandOver && !clear_i;
  assign value_o        = value_q;
  assign pending_o      = pending_q;

  always_comb begin
    access_o           = '0;
    access_o.op        = op_q;
    access_o.key       = key_q;
    access_o.hit       = hit_q;
    access_o.host      = host;
    access_o.bin       = bin_q;
    access_o.counters  = counters_q;
    access_o.framed    = framed_q;
    access_o.frame     = frame_q;
    access_o.stashed   = stashed;
    access_o.place     = old_q.frame;
    access_o.keep      = keep;
    access_o.to_stash  = keep && full_q;
    access_o.new_frame = new_frame_q;
    access_o.new_place = new_place_q;
  end

endmodule
