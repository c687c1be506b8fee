// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Manager of experts: which of many models in the far memory (DDR) are in the slots of the near one (HBM).
//
// A request names an expert. It is granted a slot at once where the expert is ready; else the expert is copied
// into a free slot or into that of the least recently used one, and granted when it is there. Requests are
// looked up in order; those for the expert being copied share its copy, and later ones for experts that are
// ready overtake it. A request that nobody can make room for waits. A prefetch copies and is granted nothing.
//
// A slot: Invalid -> Loading -> Ready -> (Evicting ->) Loading or Invalid. It is busy while granted and not yet
// released; busy and pinned slots are never victims. A slot that was written is copied back first, its writable
// part only; one that was only read is not.
//
// A copy that fails makes its slot Invalid, and its waiters are told. A copy back that fails leaves the victim
// where it is, still written, and the waiters are told. One that is told an error holds nothing.
//
// The copies are descriptors for a DMA engine, one at a time, each answered by one completion.

module sn40l_expert_mgr #(
  parameter  int unsigned Slots        = 41,
  parameter  int unsigned ExpertWidth  = 10,
  parameter  int unsigned IdWidth      = 8,  // of requests, returned with the grant
  parameter  int unsigned RefWidth     = 4,  // a slot is granted at most 2^RefWidth - 1 times at once
  parameter  int unsigned Waiting      = 8,  // requests that share one copy
  parameter  int unsigned AddrWidth    = 40,
  parameter  int unsigned CounterWidth = 32, // of the counters, which wrap
  localparam int unsigned SlotWidth    = (Slots > 1) ? $clog2(Slots) : 1
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  // Slots in use and where experts lie; not to be changed while any is near
  input  logic [SlotWidth:0]     slots_i,           // 1..Slots
  input  logic [AddrWidth-1:0]   far_base_i,
  input  logic [31:0]            far_stride_i,
  input  logic [AddrWidth-1:0]   near_base_i,
  input  logic [31:0]            near_stride_i,
  input  logic [31:0]            bytes_i,           // of an expert, what is only read first
  input  logic [31:0]            writable_offset_i,
  input  logic [31:0]            writable_bytes_i,  // 0: experts are only read
  // Requests
  input  logic                   req_valid_i,
  output logic                   req_ready_o,
  input  logic [ExpertWidth-1:0] req_expert_i,
  input  logic [IdWidth-1:0]     req_id_i,
  input  logic                   req_prefetch_i,
  // Grants
  output logic                   grant_valid_o,
  input  logic                   grant_ready_i,
  output logic [IdWidth-1:0]     grant_id_o,
  output logic [SlotWidth-1:0]   grant_slot_o,
  output logic                   grant_hit_o,
  output logic                   grant_error_o,
  // Releases, always taken
  input  logic                   rel_valid_i,
  input  logic [SlotWidth-1:0]   rel_slot_i,
  input  logic                   rel_wrote_i,
  // Pins of slots, always taken
  input  logic                   pin_valid_i,
  input  logic [SlotWidth-1:0]   pin_slot_i,
  input  logic                   pin_set_i,
  // Copies
  output logic                   copy_valid_o,
  input  logic                   copy_ready_i,
  output logic                   copy_back_o,
  output logic [AddrWidth-1:0]   copy_src_o,
  output logic [AddrWidth-1:0]   copy_dst_o,
  output logic [31:0]            copy_bytes_o,
  output logic [ExpertWidth-1:0] copy_expert_o,
  input  logic                   done_valid_i,
  input  logic                   done_error_i,      // the bus answered with an error, or a word was poisoned
  // Counters
  output logic [CounterWidth-1:0] hits_o,
  output logic [CounterWidth-1:0] misses_o,
  output logic [CounterWidth-1:0] evictions_o,
  output logic [CounterWidth-1:0] back_bytes_o,
  output logic [CounterWidth-1:0] wait_cycles_o,  // of a request at the head
  output logic [CounterWidth-1:0] errors_o
);

  typedef enum logic [1:0] {Invalid, Loading, Ready, Evicting} slot_e;
  typedef enum logic [2:0] {Idle, AskBack, Back, AskFill, Fill} copy_e;

  localparam int unsigned       WaitWidth = IdWidth + 1;
  localparam logic [RefWidth-1:0] RefMax = '1;

  slot_e                  state_q [Slots];
  logic [ExpertWidth-1:0] expert_q [Slots];
  logic [RefWidth-1:0]    refs_q [Slots];
  logic [Slots-1:0]       wrote_q, pinned_q;

  copy_e                  copy_q;
  logic [SlotWidth-1:0]   slot_q;    // being copied
  logic [ExpertWidth-1:0] wanted_q;  // expert being copied, or that its slot is emptied for
  logic                   held_q;    // a copy is over, its waiters are being told
  logic                   failed_q;  // it failed
  logic [RefWidth-1:0]    waiters_q; // requests that wait for the copy

  // Look-up of the request at the head.
  logic [Slots-1:0] found, empty, victims, first_empty, oldest, chosen;
  logic             hit, shares, room, ref_room, grants, fills, takes;

  for (genvar i = 0; i < Slots; i++) begin : gen_look_up
    assign found[i] = state_q[i] == Ready && expert_q[i] == req_expert_i;
    assign empty[i]   = state_q[i] == Invalid && (SlotWidth + 1)'(i) < slots_i;
    assign victims[i] = state_q[i] == Ready && refs_q[i] == '0 && !pinned_q[i];
  end

  function automatic logic [SlotWidth-1:0] index(logic [Slots-1:0] one_hot);
    index = '0;
    for (int unsigned i = 0; i < Slots; i++) begin
      if (one_hot[i]) index |= SlotWidth'(i);
    end
  endfunction

  logic [SlotWidth-1:0] hit_slot, chosen_slot;
  logic                 copying, wait_ready, grant_free;

  assign first_empty = empty & ~(empty - Slots'(1));
  assign chosen      = (|empty) ? first_empty : oldest;
  assign hit_slot    = index(found);
  assign chosen_slot = index(chosen);
  assign copying     = copy_q != Idle;
  assign grant_free  = !grant_valid_o || grant_ready_i;

  // A request either is granted, joins the copy of its expert, or begins one. While waiters are told, the
  // grant is theirs.
  assign hit      = |found;
  assign shares   = copying && wanted_q == req_expert_i;
  assign ref_room = refs_q[hit_slot] != RefMax;
  assign room     = wait_ready && waiters_q != RefMax;
  assign grants   = !held_q && hit && (req_prefetch_i || (grant_free && ref_room));
  assign fills    = !held_q && !hit && !copying && (|chosen);
  assign takes    = !held_q && !hit && shares && (req_prefetch_i || room);

  assign req_ready_o = grants || takes || fills;

  logic accepted, begins, joins;
  assign accepted = req_valid_i && req_ready_o;
  assign begins   = req_valid_i && fills;
  assign joins    = (begins || (req_valid_i && takes)) && !req_prefetch_i;

  sn40l_lru #(
    .Slots(Slots)
  ) i_lru (
    .clk_i,
    .rst_ni,
    .touch_i     (accepted),
    .slot_i      (hit ? hit_slot : fills ? chosen_slot : slot_q),
    .candidates_i(victims),
    .oldest_o    (oldest)
  );

  // Requests that wait for the copy, in order; the first of them began it, unless a prefetch did.
  logic               told, waits;
  logic [IdWidth-1:0] told_id;
  logic               told_hit;

  stream_fifo #(
    .Width(WaitWidth),
    .Depth(Waiting)
  ) i_waiting (
    .clk_i,
    .rst_ni,
    .valid_i(joins),
    .ready_o(wait_ready),
    .data_i ({!begins, req_id_i}),
    .valid_o(waits),
    .ready_i(told),
    .data_o ({told_hit, told_id})
  );

  assign told = held_q && waits && grant_free;

  // Grants.
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      grant_valid_o <= 1'b0;
      grant_id_o    <= '0;
      grant_slot_o  <= '0;
      grant_hit_o   <= 1'b0;
      grant_error_o <= 1'b0;
    end else if (grant_free) begin
      grant_valid_o <= told || (accepted && hit && !req_prefetch_i);
      grant_id_o    <= told ? told_id : req_id_i;
      grant_slot_o  <= told ? slot_q : hit_slot;
      grant_hit_o   <= told ? told_hit : 1'b1;
      grant_error_o <= told && failed_q;
    end
  end

  // The copy under way.
  logic evicts, back, back_done, fill_done;

  assign evicts    = begins && !(|empty);
  assign back      = evicts && wrote_q[chosen_slot] && writable_bytes_i != '0;
  assign back_done = copy_q == Back && done_valid_i;
  assign fill_done = copy_q == Fill && done_valid_i;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      copy_q    <= Idle;
      slot_q    <= '0;
      wanted_q  <= '0;
      held_q    <= 1'b0;
      failed_q  <= 1'b0;
      waiters_q <= '0;
    end else begin
      unique case (copy_q)
        Idle: begin
          if (begins) begin
            copy_q   <= back ? AskBack : AskFill;
            slot_q   <= chosen_slot;
            wanted_q <= req_expert_i;
          end
        end
        AskBack: if (copy_ready_i) copy_q <= Back;
        Back:    if (done_valid_i) copy_q <= done_error_i ? Idle : AskFill;
        AskFill: if (copy_ready_i) copy_q <= Fill;
        default: if (done_valid_i) copy_q <= Idle;
      endcase
      if ((back_done && done_error_i) || fill_done) begin
        held_q   <= 1'b1;
        failed_q <= done_error_i;
      end else if (held_q && !waits) begin
        held_q <= 1'b0;
      end
      if (held_q) waiters_q <= '0;
      else        waiters_q <= waiters_q + RefWidth'(joins);
    end
  end

  // Slots.
  for (genvar i = 0; i < Slots; i++) begin : gen_slot
    logic ours, granted, released;
    assign ours     = slot_q == SlotWidth'(i);
    assign granted  = accepted && found[i] && !req_prefetch_i;
    assign released = rel_valid_i && rel_slot_i == SlotWidth'(i) && refs_q[i] != '0;

    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) begin
        state_q[i]  <= Invalid;
        expert_q[i] <= '0;
        refs_q[i]   <= '0;
        wrote_q[i]  <= 1'b0;
        pinned_q[i] <= 1'b0;
      end else begin
        if (begins && chosen[i]) begin
          state_q[i] <= back ? Evicting : Loading;
        end else if (ours && back_done) begin
          state_q[i] <= done_error_i ? Ready : Loading;
        end else if (ours && fill_done) begin
          state_q[i]  <= done_error_i ? Invalid : Ready;
          expert_q[i] <= wanted_q;
          wrote_q[i]  <= 1'b0;
        end
        if (ours && fill_done) refs_q[i] <= done_error_i ? '0 : waiters_q + RefWidth'(joins);
        else                   refs_q[i] <= refs_q[i] + RefWidth'(granted) - RefWidth'(released);
        if (released && rel_wrote_i) wrote_q[i] <= 1'b1;
        if (pin_valid_i && pin_slot_i == SlotWidth'(i)) pinned_q[i] <= pin_set_i;
      end
    end
  end

  // The descriptor.
  logic [AddrWidth-1:0] far, near;
  logic [ExpertWidth-1:0] moved;

  assign copy_back_o   = copy_q == AskBack;
  assign copy_valid_o  = copy_q == AskBack || copy_q == AskFill;
  assign moved         = copy_back_o ? expert_q[slot_q] : wanted_q;
  assign far           = far_base_i + AddrWidth'(moved) * AddrWidth'(far_stride_i)
                       + (copy_back_o ? AddrWidth'(writable_offset_i) : '0);
  assign near          = near_base_i + AddrWidth'(slot_q) * AddrWidth'(near_stride_i)
                       + (copy_back_o ? AddrWidth'(writable_offset_i) : '0);
  assign copy_src_o    = copy_back_o ? near : far;
  assign copy_dst_o    = copy_back_o ? far : near;
  assign copy_bytes_o  = copy_back_o ? writable_bytes_i : bytes_i;
  assign copy_expert_o = moved;

  // Counters.
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      hits_o        <= '0;
      misses_o      <= '0;
      evictions_o   <= '0;
      back_bytes_o  <= '0;
      wait_cycles_o <= '0;
      errors_o      <= '0;
    end else begin
      hits_o        <= hits_o + CounterWidth'(accepted && !begins);
      misses_o      <= misses_o + CounterWidth'(begins);
      evictions_o   <= evictions_o + CounterWidth'(evicts);
      back_bytes_o  <= back_bytes_o + ((back_done && !done_error_i) ? CounterWidth'(writable_bytes_i) : '0);
      wait_cycles_o <= wait_cycles_o + CounterWidth'(req_valid_i && !req_ready_o);
      errors_o      <= errors_o + CounterWidth'(done_valid_i && done_error_i && (copy_q == Back || copy_q == Fill));
    end
  end

  if (ExpertWidth < 1 || RefWidth < 1 || Waiting < 1 || CounterWidth < 1) begin : gen_bad_width
    $error("sn40l_expert_mgr: ExpertWidth, RefWidth, Waiting and CounterWidth must be at least 1");
  end

endmodule
