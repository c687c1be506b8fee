// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// The position map: where every live key is. Two buckets of four ways in HBM, and a CAM for what finds both
// full.
//
// An access is a lookup, then an update. The lookup reads both buckets whatever it finds: found_o is there
// HbmDeadline + 4 cycles after lookup_i, for a cycle, with hit_o and entry_o, which stay until the next
// result. The update writes one bucket whatever it changes, updated_o is there in the cycle after update_i,
// and the next lookup may come with it: HBM serves in order. An entry is changed in place; a new one goes
// into the emptier bucket, the first where they are equal, lowest free way. The unit sets the entry's key,
// and asks of the rest only that a state is not StateFree.
//
// After a reset all buckets are emptied (init_done_o).

module bolt_pm_ctl #(
  parameter int unsigned Buckets     = 2048,  // a power of two
  parameter int unsigned CamPlaces   = bolt_pkg::CamPlaces,
  parameter int unsigned HbmDeadline = 128
) (
  input  logic                             clk_i,
  input  logic                             rst_ni,
  input  logic                             clear_i,
  output logic                             init_done_o,
  // Lookup
  input  logic                             lookup_i,
  input  logic [bolt_pkg::KeyWidth-1:0]    key_i,
  input  logic [bolt_pkg::BucketWidth-1:0] bucket0_i,
  input  logic [bolt_pkg::BucketWidth-1:0] bucket1_i,  // another than bucket 0
  output logic                             found_o,
  output logic                             hit_o,
  output bolt_pkg::entry_t                 entry_o,    // zero without a hit
  // Update of the key looked up last
  input  logic                             update_i,
  input  logic                             keep_i,     // entry_i is its entry from now on; else it has none
  input  bolt_pkg::entry_t                 entry_i,
  output logic                             updated_o,
  // Faults, a cycle each
  output logic                             full_o,     // both buckets and the CAM
  output logic                             late_o,     // HBM missed its deadline
  // HBM: a word is a bucket
  output logic                             hbm_req_valid_o,
  input  logic                             hbm_req_ready_i,
  output logic                             hbm_req_we_o,
  output logic [bolt_pkg::BucketWidth-1:0] hbm_req_addr_o,
  output logic [bolt_pkg::BucketBits-1:0]  hbm_req_wdata_o,
  input  logic                             hbm_rsp_valid_i,
  input  logic [bolt_pkg::BucketBits-1:0]  hbm_rsp_rdata_i
);

  localparam int unsigned Ways        = bolt_pkg::Ways;
  localparam int unsigned WayWidth    = bolt_pkg::WayWidth;
  localparam int unsigned KeyWidth    = bolt_pkg::KeyWidth;
  localparam int unsigned BucketWidth = bolt_pkg::BucketWidth;
  localparam int unsigned EntryBits   = bolt_pkg::EntryBits;
  localparam int unsigned EntryFields = bolt_pkg::EntryFields;
  localparam int unsigned BucketBits  = bolt_pkg::BucketBits;
  localparam int unsigned CamWidth    = $clog2(CamPlaces);

  logic                   init_q;
  logic [BucketWidth-1:0] sweep_q;
  logic [1:0]             ask_q;                        // the read of bucket 0, of bucket 1
  logic                   second_q, arrived_q, found_q; // answers
  logic [KeyWidth-1:0]    key_q;
  logic [BucketWidth-1:0] bucket0_q, bucket1_q;
  logic [Ways-1:0][EntryFields-1:0]      ways0_q, ways1_q;
  logic [CamPlaces-1:0][EntryFields-1:0] cam_q;

  // Requests.
  logic                   sweep, answer, write_q, write_second_q;
  logic [BucketWidth-1:0] addr;
  logic [Ways-1:0][EntryBits-1:0] wdata;
  /* verilator lint_off UNUSEDSIGNAL */  // zeros above an entry
  logic [Ways-1:0][EntryBits-1:0] answer_data;
  /* verilator lint_on UNUSEDSIGNAL */
  logic [Ways-1:0][EntryFields-1:0] write_ways_q, answer_ways;

  assign sweep = init_q && (!hbm_req_valid_o || hbm_req_ready_i);
  for (genvar i = 0; i < Ways; i++) begin : gen_word
    assign wdata[i]       = init_q ? '0 : EntryBits'(write_ways_q[i]);
    assign answer_ways[i] = answer_data[i][EntryFields-1:0];
  end

  always_comb begin
    addr = bucket0_q;
    if (init_q)                                                  addr = sweep_q;
    else if (write_q ? write_second_q : (ask_q[1] && !ask_q[0])) addr = bucket1_q;
  end

  bolt_hbm_port #(
    .Width    (BucketBits),
    .AddrWidth(BucketWidth),
    .Deadline (HbmDeadline),
    .Depth    (4)
  ) i_port (
    .clk_i,
    .rst_ni,
    .clear_i,
    .req_i  (sweep || write_q || ask_q != '0),
    .we_i   (init_q || write_q),
    .addr_i (addr),
    .wdata_i(wdata),
    .valid_o(answer),
    .rdata_o(answer_data),
    .late_o,
    .hbm_req_valid_o,
    .hbm_req_ready_i,
    .hbm_req_we_o,
    .hbm_req_addr_o,
    .hbm_req_wdata_o,
    .hbm_rsp_valid_i,
    .hbm_rsp_rdata_i
  );

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      init_q    <= 1'b1;
      sweep_q   <= '0;
      ask_q     <= '0;
      second_q  <= 1'b0;
      arrived_q <= 1'b0;
      found_q   <= 1'b0;
      key_q     <= '0;
      bucket0_q <= '0;
      bucket1_q <= '0;
      ways0_q   <= '0;
      ways1_q   <= '0;
    end else begin
      if (sweep) begin
        sweep_q <= sweep_q + BucketWidth'(1);
        init_q  <= sweep_q != BucketWidth'(Buckets - 1);
      end
      ask_q     <= {ask_q[0], lookup_i};
      arrived_q <= answer && second_q;
      found_q   <= arrived_q;
      if (lookup_i) begin
        key_q     <= key_i;
        bucket0_q <= bucket0_i;
        bucket1_q <= bucket1_i;
      end
      if (answer) begin
        second_q <= !second_q;
        if (second_q) ways1_q <= answer_ways;
        else          ways0_q <= answer_ways;
      end
    end
  end

  assign init_done_o = !init_q;
  assign found_o     = found_q;

  // All ways and the CAM are compared at once.
  logic [Ways-1:0]      hits0, hits1, free0, free1;
  logic [CamPlaces-1:0] cam_hits, cam_free;
  logic [WayWidth-1:0]  way0, way1, way0_q, way1_q;  // of the hit, else the lowest free one
  logic [CamWidth-1:0]  place, place_q;              // of the hit, else the lowest free one
  logic [WayWidth:0]    used0, used1;
  logic                 hit0_q, hit1_q, cam_hit_q, second_emptier_q, ways_full_q, cam_full_q;
  bolt_pkg::entry_t     found, found_entry_q;

  /* verilator lint_off UNUSEDSIGNAL */  // of an entry, its key and state are looked at
  for (genvar i = 0; i < Ways; i++) begin : gen_way
    bolt_pkg::entry_t in0, in1;
    assign in0      = ways0_q[i];
    assign in1      = ways1_q[i];
    assign free0[i] = in0.state == bolt_pkg::StateFree;
    assign free1[i] = in1.state == bolt_pkg::StateFree;
    assign hits0[i] = !free0[i] && in0.key == key_q;
    assign hits1[i] = !free1[i] && in1.key == key_q;
  end

  for (genvar i = 0; i < CamPlaces; i++) begin : gen_place
    bolt_pkg::entry_t in;
    assign in          = cam_q[i];
    assign cam_free[i] = in.state == bolt_pkg::StateFree;
    assign cam_hits[i] = !cam_free[i] && in.key == key_q;
  end
  /* verilator lint_on UNUSEDSIGNAL */

  always_comb begin
    found = '0;
    used0 = '0;
    used1 = '0;
    way0  = '0;
    way1  = '0;
    place = '0;
    for (int unsigned i = 0; i < Ways; i++) begin
      used0    = used0 + (WayWidth + 1)'(!free0[i]);
      used1    = used1 + (WayWidth + 1)'(!free1[i]);
      if (hits0[i]) found = found | ways0_q[i];
      if (hits1[i]) found = found | ways1_q[i];
    end
    for (int unsigned i = 0; i < CamPlaces; i++) begin
      if (cam_hits[i]) found = found | cam_q[i];
    end
    for (int unsigned i = Ways; i > 0; i--) begin
      if ((hits0 != '0) ? hits0[i-1] : free0[i-1]) way0 = WayWidth'(i - 1);
      if ((hits1 != '0) ? hits1[i-1] : free1[i-1]) way1 = WayWidth'(i - 1);
    end
    for (int unsigned i = CamPlaces; i > 0; i--) begin
      if ((cam_hits != '0) ? cam_hits[i-1] : cam_free[i-1]) place = CamWidth'(i - 1);
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      hit0_q           <= 1'b0;
      hit1_q           <= 1'b0;
      cam_hit_q        <= 1'b0;
      second_emptier_q <= 1'b0;
      ways_full_q      <= 1'b0;
      cam_full_q       <= 1'b0;
      way0_q           <= '0;
      way1_q           <= '0;
      place_q          <= '0;
      found_entry_q    <= '0;
    end else if (arrived_q) begin
      hit0_q           <= hits0 != '0;
      hit1_q           <= hits1 != '0;
      cam_hit_q        <= cam_hits != '0;
      second_emptier_q <= used1 < used0;
      ways_full_q      <= free0 == '0 && free1 == '0;
      cam_full_q       <= cam_free == '0;
      way0_q           <= way0;
      way1_q           <= way1;
      place_q          <= place;
      found_entry_q    <= found;
    end
  end

  assign hit_o   = hit0_q || hit1_q || cam_hit_q;
  assign entry_o = found_entry_q;

  // The update: one bucket, made of what was read.
  logic                             in_cam, second;
  bolt_pkg::entry_t                 entry;
  logic [Ways-1:0][EntryFields-1:0] ways0, ways1;

  assign in_cam = cam_hit_q || (!hit_o && ways_full_q);
  assign second = hit1_q || (!hit_o && !in_cam && second_emptier_q);

  always_comb begin
    entry = '0;
    if (keep_i) begin
      entry     = entry_i;
      entry.key = key_q;
    end
    ways0 = ways0_q;
    ways1 = ways1_q;
    if (!in_cam && (hit_o || keep_i)) begin
      if (second) ways1[way1_q] = entry;
      else        ways0[way0_q] = entry;
    end
  end

  assign full_o = update_i && keep_i && in_cam && !cam_hit_q && cam_full_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      write_q        <= 1'b0;
      write_second_q <= 1'b0;
      write_ways_q   <= '0;
      cam_q          <= '0;
    end else begin
      write_q <= update_i;
      if (update_i) begin
        write_second_q <= second;
        write_ways_q   <= second ? ways1 : ways0;
        if (in_cam && (cam_hit_q || (keep_i && !cam_full_q))) cam_q[place_q] <= entry;
      end
    end
  end

  assign updated_o = write_q;

  if (Buckets < 2 || (Buckets & (Buckets - 1)) != 0) begin : gen_bad_buckets
    $error("bolt_pm_ctl: Buckets must be a power of two, at least 2");
  end
  if (CamPlaces < 2) begin : gen_bad_places
    $error("bolt_pm_ctl: CamPlaces must be at least 2");
  end

endmodule
