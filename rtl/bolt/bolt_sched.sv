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
  parameter  int unsigned Bins       = 512,
  parameter  int unsigned HbmBins    = 102,
  parameter  int unsigned HostBins   = Bins - HbmBins,
  parameter  int unsigned Frames     = 2304,
  parameter  int unsigned ValueBits  = 128,
  localparam int unsigned BinWidth   = $clog2(Bins),
  localparam int unsigned HostWidth  = (HostBins > 1) ? $clog2(HostBins) : 1,
  localparam int unsigned FrameWidth = $clog2(Frames + 1)
) (
  input  logic                               clk_i,
  input  logic                               rst_ni,
  input  logic                               clear_i,  // after a fault: no slot begins, what is held is zeroed
  input  logic                               ready_i,  // all units are initialised
  output logic                               slot_o,   // a slot begins
  output logic                               error_o,  // a unit did not answer in its step
  // Command
  input  logic                               cmd_valid_i,
  output logic                               cmd_ready_o,
  input  bolt_pkg::op_e                      cmd_op_i,
  input  logic [bolt_pkg::KeyWidth-1:0]      cmd_key_i,
  input  logic [ValueBits-1:0]               cmd_value_i,
  // Hash of the key
  output logic                               prf_valid_o,
  output logic [bolt_pkg::KeyWidth-1:0]      prf_key_o,
  input  logic                               prf_valid_i,
  // Two pairs of bins: the fresh one, the one to remap to; taken when a slot begins
  input  logic                               draw_valid_i,
  output logic                               draw_ready_o,
  input  logic [1:0][BinWidth-1:0]           fresh_i,
  input  logic [1:0][BinWidth-1:0]           remap_i,
  // Position map
  output logic                               lookup_valid_o,
  output logic [bolt_pkg::KeyWidth-1:0]      lookup_key_o,
  input  logic                               result_valid_i,
  input  logic                               hit_i,
  input  logic [1:0][BinWidth-1:0]           pair_i,
  input  logic                               which_i,
  input  logic [1:0]                         state_i,
  input  logic [FrameWidth-1:0]              frame_i,
  output logic                               update_valid_o,
  output logic                               update_store_o,
  output logic [1:0][BinWidth-1:0]           update_pair_o,
  output logic                               update_which_o,
  output logic [1:0]                         update_state_o,
  output logic [FrameWidth-1:0]              update_frame_o,
  // Loads
  output logic                               load_valid_o,
  output logic                               load_dec_en_o,
  output logic [BinWidth-1:0]                load_dec_bin_o,
  output logic                               load_inc_en_o,
  output logic [1:0][BinWidth-1:0]           load_pair_o,
  input  logic                               load_valid_i,
  input  logic                               load_which_i,
  input  logic                               load_full_i,
  // Frames and the stash's entries
  output logic                               alloc_valid_o,
  output logic                               alloc_frame_en_o,
  input  logic [FrameWidth-1:0]              alloc_frame_i,
  output logic                               alloc_stash_en_o,
  input  logic [bolt_pkg::StashWidth-1:0]    alloc_stash_i,
  output logic                               release_valid_o,
  output logic                               release_en_o,
  output logic [FrameWidth-1:0]              release_frame_o,
  output logic                               give_valid_o,
  output logic                               give_en_o,
  output logic [bolt_pkg::StashWidth-1:0]    give_stash_o,
  // Pending lists
  output logic                               walk_valid_o,
  output logic                               walk_en_o,
  output logic [HostWidth-1:0]               walk_bin_o,
  input  logic                               step_valid_i,
  input  logic                               step_en_i,
  input  logic [FrameWidth-1:0]              step_frame_i,
  input  logic [bolt_pkg::KeyWidth-1:0]      step_key_i,
  input  logic [bolt_pkg::CounterWidth-1:0]  counter_i,
  output logic                               append_valid_o,
  output logic                               append_en_o,
  output logic [HostWidth-1:0]               append_bin_o,
  output logic [FrameWidth-1:0]              append_frame_o,
  // Pages
  input  logic                               room_i,
  output logic                               claim_o,
  output logic [1:0]                         claim_host_o,
  output logic [1:0][bolt_pkg::BinWidth-1:0] claim_page_o,
  // To the value stage; there is room for the access of a slot that began
  output logic                               access_valid_o,
  output bolt_pkg::access_t                  access_o,
  output logic [ValueBits-1:0]               value_o,
  output bolt_pkg::pending_t [2*bolt_pkg::Slots-1:0] pending_o  // the walk of x lowest, oldest first
);

  // Steps of a slot, from the cycle after the lookup's result on.
  localparam int unsigned Slots     = bolt_pkg::Slots;
  localparam int unsigned StepWidth = $clog2(2 * Slots + 6);
  localparam logic [StepWidth-1:0] AtPages    = StepWidth'(0);  // pages claimed; loads asked for; walk of x
  localparam logic [StepWidth-1:0] AtRelease  = StepWidth'(1);  // of the frame or stash entry the map named
  localparam logic [StepWidth-1:0] AtLoads    = StepWidth'(6);  // chosen; a frame and a stash entry asked for
  localparam logic [StepWidth-1:0] AtUpdate   = StepWidth'(7);  // of the map, with the frame
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

  logic [1:0]                      op_q;
  logic [bolt_pkg::KeyWidth-1:0]   key_q;
  logic [ValueBits-1:0]            value_q;
  logic [1:0][BinWidth-1:0]        pair_q, remap_q;
  logic [1:0][bolt_pkg::CounterWidth-1:0] counters_q;
  logic [1:0]                      state_q;
  logic [FrameWidth-1:0]           named_q, frame_q, new_frame_q;  // by the map; of the value; of the new one
  logic [bolt_pkg::StashWidth-1:0] new_place_q;
  logic                            hit_q, old_which_q, framed_q, which_q, full_q;
  bolt_pkg::pending_t [2*Slots-1:0] pending_q;

  // Bins from HbmBins on are the host's: numbers of their pages, negative for the others.
  function automatic logic [BinWidth:0] page_number(logic [BinWidth-1:0] bin);
    page_number = {1'b0, bin} - (BinWidth + 1)'(HbmBins);
  endfunction

  logic [1:0][BinWidth:0] pages;
  logic [1:0]             host;
  for (genvar lane = 0; lane < 2; lane++) begin : gen_bin
    assign pages[lane] = page_number(pair_q[lane]);
    assign host[lane]  = !pages[lane][BinWidth];
  end

  // What becomes of the value: PUT and a GET that hit store one.
  logic                keep, stashed, chosen_host;
  logic [BinWidth:0]   chosen_page;

  assign keep        = op_q == bolt_pkg::OpPut || (op_q == bolt_pkg::OpGet && hit_q);
  assign stashed     = hit_q && state_q == bolt_pkg::StateStash;
  assign chosen_page = page_number(remap_q[which_q]);
  assign chosen_host = !chosen_page[BinWidth];

  assign slot         = phase_q == Slot;
  assign cmd_ready_o  = phase_q == Idle && ready_i && !clear_i && draw_valid_i && room_i;
  assign slot_o       = cmd_ready_o && cmd_valid_i;
  assign draw_ready_o = slot_o;

  assign error_o      = load_valid_i != (slot && step_q == AtLoads);

  assign prf_valid_o    = slot_o;
  assign prf_key_o      = cmd_key_i;
  assign lookup_valid_o = phase_q == Hash && prf_valid_i;
  assign lookup_key_o   = key_q;

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
        Hash:    if (prf_valid_i) phase_q <= Lookup;
        Lookup:  if (result_valid_i) phase_q <= Slot;
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

  // What is known of the access.
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      op_q        <= '0;
      key_q       <= '0;
      value_q     <= '0;
      pair_q      <= '0;
      remap_q     <= '0;
      counters_q  <= '0;
      state_q     <= '0;
      named_q     <= '0;
      frame_q     <= '0;
      new_frame_q <= '0;
      new_place_q <= '0;
      hit_q       <= 1'b0;
      old_which_q <= 1'b0;
      framed_q    <= 1'b0;
      which_q     <= 1'b0;
      full_q      <= 1'b0;
      pending_q   <= '0;
    end else if (clear_i) begin
      key_q     <= '0;
      value_q   <= '0;
      pending_q <= '0;
    end else begin
      if (slot_o) begin
        op_q    <= cmd_op_i;
        key_q   <= cmd_key_i;
        value_q <= cmd_value_i;
        pair_q  <= fresh_i;
        remap_q <= remap_i;
      end
      if (phase_q == Lookup && result_valid_i) begin
        hit_q       <= hit_i && op_q != bolt_pkg::OpNop;
        state_q     <= state_i;
        old_which_q <= which_i;
        named_q     <= frame_i;
        frame_q     <= frame_i;
        framed_q    <= hit_i && op_q != bolt_pkg::OpNop && state_i == bolt_pkg::StateHbm;
        if (hit_i && op_q != bolt_pkg::OpNop) pair_q <= pair_i;
      end
      if (step_valid_i) begin
        pending_q <= {bolt_pkg::pending_t'({step_en_i, step_key_i, bolt_pkg::FrameWidth'(step_frame_i)}),
                      pending_q[2*Slots-1:1]};
        if (step_en_i && hit_q && step_key_i == key_q) begin
          framed_q <= 1'b1;
          frame_q  <= step_frame_i;
        end
      end
      if (slot && step_q == AtLoads) begin
        which_q <= load_which_i;
        full_q  <= load_full_i;
      end
      if (slot && step_q == AtUpdate) begin
        new_frame_q <= alloc_frame_i;
        new_place_q <= alloc_stash_i;
      end
      if (slot && step_q == AtWalkY)  counters_q[0] <= counter_i;
      if (slot && step_q == AtAppend) counters_q[1] <= counter_i;
    end
  end

  assign claim_o      = slot && step_q == AtPages;
  assign claim_host_o = host;
  assign claim_page_o = {bolt_pkg::BinWidth'(pages[1][BinWidth-1:0]), bolt_pkg::BinWidth'(pages[0][BinWidth-1:0])};

  assign load_valid_o   = claim_o;
  assign load_dec_en_o  = hit_q && !stashed;
  assign load_dec_bin_o = pair_q[old_which_q];
  assign load_inc_en_o  = keep;
  assign load_pair_o    = remap_q;

  assign alloc_valid_o    = slot && step_q == AtLoads;
  assign alloc_frame_en_o = keep && !load_full_i;
  assign alloc_stash_en_o = keep && load_full_i;

  // Frames come back: the one that the map names, then those of both walks.
  assign release_valid_o = (slot && step_q == AtRelease) || step_valid_i;
  assign release_en_o    = step_valid_i ? step_en_i : hit_q && state_q == bolt_pkg::StateHbm;
  assign release_frame_o = step_valid_i ? step_frame_i : named_q;
  assign give_valid_o    = slot && step_q == AtRelease;
  assign give_en_o       = stashed;
  assign give_stash_o    = bolt_pkg::StashWidth'(named_q);

  assign update_valid_o = slot && step_q == AtUpdate;
  // A NOP puts back what it happened to find.
  always_comb begin
    update_store_o = keep;
    update_pair_o  = remap_q;
    update_which_o = which_q;
    update_state_o = full_q ? bolt_pkg::StateStash
                            : chosen_host ? bolt_pkg::StatePending : bolt_pkg::StateHbm;
    update_frame_o = full_q ? FrameWidth'(alloc_stash_i) : alloc_frame_i;
    if (op_q == bolt_pkg::OpNop) begin
      update_store_o = hit_i;
      update_pair_o  = pair_i;
      update_which_o = which_i;
      update_state_o = state_i;
      update_frame_o = frame_i;
    end
  end

  assign walk_valid_o   = slot && (step_q == AtPages || step_q == AtWalkY);
  assign walk_en_o      = host[step_q != AtPages];
  assign walk_bin_o     = HostWidth'(pages[step_q != AtPages]);
  assign append_valid_o = slot && step_q == AtAppend;
  assign append_en_o    = keep && !full_q && chosen_host;
  assign append_bin_o   = HostWidth'(chosen_page);
  assign append_frame_o = new_frame_q;

  assign access_valid_o = slot && step_q == AtHandOver && !clear_i;
  assign value_o        = value_q;
  assign pending_o      = pending_q;

  always_comb begin
    access_o           = '0;
    access_o.op        = bolt_pkg::op_e'(op_q);
    access_o.key       = key_q;
    access_o.hit       = hit_q;
    access_o.host      = host;
    access_o.bin[0]    = bolt_pkg::BinWidth'(pair_q[0]);
    access_o.bin[1]    = bolt_pkg::BinWidth'(pair_q[1]);
    access_o.counters  = counters_q;
    access_o.framed    = framed_q;
    access_o.frame     = bolt_pkg::FrameWidth'(frame_q);
    access_o.stashed   = stashed;
    access_o.place     = bolt_pkg::StashWidth'(named_q);
    access_o.keep      = keep;
    access_o.to_stash  = keep && full_q;
    access_o.new_frame = bolt_pkg::FrameWidth'(new_frame_q);
    access_o.new_place = new_place_q;
  end

endmodule
