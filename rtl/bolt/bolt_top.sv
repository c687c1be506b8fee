// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// BOLT: an oblivious map. Sealed commands in, sealed answers out, pages at the host's memory, everything
// else in HBM and on chip.
//
// The host sees command and answer packets and reads and writes of whole pages; which pages and when is
// independent of operations, keys, values, and of whether a key is there. InFlight accesses (a power of two;
// 1: one at a time) are between the begin of their slot and the answer to their last page write.
// start_i, once after init_done_o, takes the keys. Then it is empty, with every page sealed under counter 1;
// records that pages, HBM's buckets and frames hold already are told of by boot_valid_i, one draw of words each,
// as they were placed with. HBM: requests taken at valid and ready; reads answered in
// order, one word each, no backpressure; writes not answered; a read after a write of the same word gives the
// written one. Port pm has Buckets words, port frame Frames + 1 (the last is the scratch frame).
// While tape_en_i, tape_i are the four random words of the next access (taken with tape_take_o, not to change
// in the 4 cycles before): for tests that choose the bins.
// count_o: accesses, pages read and written, cycles in which a page's read waited for an older write (all of
// which the host sees); frames free, stash places used (which it must not).

module bolt_top #(
  parameter  int unsigned Bins        = 512,
  parameter  int unsigned HbmBins     = 102,
  parameter  int unsigned Frames      = 2304,
  parameter  int unsigned Buckets     = 2048,
  parameter  int unsigned ValueBytes  = 16,
  parameter  int unsigned InFlight    = 4,
  parameter  int unsigned HbmDeadline = 128,
  parameter  int unsigned QueueDepth  = 64,   // commands waiting
  parameter  int unsigned HostTimeout = 1048576,  // cycles that the host's memory may be silent
  parameter  bit          FillNop     = 1'b0,
  parameter  int unsigned AesUnits    = 5,    // of each AES core
  parameter  int unsigned Digit       = 64,   // bits of a GHASH step
  parameter  int unsigned LanePairs   = 1,    // 1: pages are opened when those before are sealed; 2: meanwhile
  localparam int unsigned ValueBits   = 8 * ValueBytes,
  localparam int unsigned Counts      = 6
) (
  input  logic                              clk_i,
  input  logic                              rst_ni,
  output logic                              init_done_o,
  input  logic                              start_i,
  input  logic [127:0]                      session_key_i,
  input  logic [127:0]                      page_key_i,
  input  logic [127:0]                      hash_key_i,
  input  logic [127:0]                      drbg_key_i,
  input  logic [bolt_pkg::AxiAddrWidth-1:0] host_base_i,  // a multiple of the page's bytes
  output logic                              idle_o,       // nothing is in flight
  // Boot, from start_i to the first command: a record that is in the images already
  input  logic                              boot_valid_i,
  output logic                              boot_ready_o,
  input  logic [bolt_pkg::BinWidth-1:0]     boot_bin_i,   // is in this bin
  input  logic                              boot_frame_i, // and in the next frame, from 0 on
  output logic                              fault_o,
  output bolt_pkg::fault_e                  fault_code_o,
  output logic [Counts-1:0][31:0]           count_o,
  // Packets
  input  logic                              cmd_valid_i,
  output logic                              cmd_ready_o,
  input  logic [bolt_pkg::AxiDataWidth-1:0] cmd_data_i,
  output logic                              rsp_valid_o,
  input  logic                              rsp_ready_i,
  output logic [bolt_pkg::AxiDataWidth-1:0] rsp_data_o,
  // Random words of a test
  input  logic                              tape_en_i,
  input  logic [3:0][63:0]                  tape_i,
  output logic                              tape_take_o,
  // Host memory: AXI4, INCR, size 6, one identifier
  output logic                              ar_valid_o,
  input  logic                              ar_ready_i,
  output logic [bolt_pkg::AxiAddrWidth-1:0] ar_addr_o,
  output logic [7:0]                        ar_len_o,
  input  logic                              r_valid_i,
  output logic                              r_ready_o,
  input  logic [bolt_pkg::AxiDataWidth-1:0] r_data_i,
  input  logic [1:0]                        r_resp_i,
  input  logic                              r_last_i,
  output logic                              aw_valid_o,
  input  logic                              aw_ready_i,
  output logic [bolt_pkg::AxiAddrWidth-1:0] aw_addr_o,
  output logic [7:0]                        aw_len_o,
  output logic                              w_valid_o,
  input  logic                              w_ready_i,
  output logic [bolt_pkg::AxiDataWidth-1:0] w_data_o,
  output logic [bolt_pkg::AxiStrbWidth-1:0] w_strb_o,
  output logic                              w_last_o,
  input  logic                              b_valid_i,
  output logic                              b_ready_o,
  input  logic [1:0]                        b_resp_i,
  // HBM: buckets of the position map
  output logic                              pm_req_valid_o,
  input  logic                              pm_req_ready_i,
  output logic                              pm_req_we_o,
  output logic [bolt_pkg::BucketWidth-1:0]  pm_req_addr_o,
  output logic [bolt_pkg::BucketBits-1:0]   pm_req_wdata_o,
  input  logic                              pm_rsp_valid_i,
  input  logic [bolt_pkg::BucketBits-1:0]   pm_rsp_rdata_i,
  // HBM: values
  output logic                              frame_req_valid_o,
  input  logic                              frame_req_ready_i,
  output logic                              frame_req_we_o,
  output logic [bolt_pkg::FrameWidth-1:0]   frame_req_addr_o,
  output logic [ValueBits-1:0]              frame_req_wdata_o,
  input  logic                              frame_rsp_valid_i,
  input  logic [ValueBits-1:0]              frame_rsp_rdata_i
);

  localparam int unsigned HostBins  = (Bins > HbmBins) ? Bins - HbmBins : 1;
  localparam int unsigned PageBytes = bolt_pkg::page_bytes(ValueBytes);
  localparam int unsigned Beats     = PageBytes / 64;
  localparam int unsigned BeatWidth = (Beats > 1) ? $clog2(Beats) : 1;
  localparam int unsigned Slots     = bolt_pkg::Slots;
  localparam int unsigned LoadBin   = $clog2(Bins);

  // Faults and keys.
  logic [10:1]  events;
  logic         fault, started_q, slot, sched_error;
  logic [127:0] hash_key_q;

  bolt_fault #(
    .Codes(11)
  ) i_fault (
    .clk_i,
    .rst_ni,
    .events_i(events),
    .fault_o (fault),
    .code_o  (fault_code_o)
  );
  assign fault_o = fault;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      started_q  <= 1'b0;
      hash_key_q <= '0;
    end else if (fault) begin
      hash_key_q <= '0;
    end else if (start_i) begin
      started_q  <= 1'b1;
      hash_key_q <= hash_key_i;
    end
  end

  // Boot: loads are counted and frames taken as an access would.
  logic boot, served_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) served_q <= 1'b0;
    else if (slot) served_q <= 1'b1;
  end

  // Commands and answers.
  logic                          op_valid, op_ready, cmd_bad, ans_valid;
  bolt_pkg::op_e                 op;
  logic [bolt_pkg::KeyWidth-1:0] op_key, ans_key;
  logic [ValueBits-1:0]          op_value, ans_value;
  logic [7:0]                    ans_status;

  bolt_cmd_fe #(
    .ValueBytes(ValueBytes),
    .QueueDepth(QueueDepth),
    .InFlight  (InFlight + 4),  // answers leave some time after their access
    .FillNop   (FillNop)
  ) i_cmd_fe (
    .clk_i,
    .rst_ni,
    .load_i      (start_i),
    .session_key_i,
    .fault_i     (fault),
    .bad_o       (cmd_bad),
    .cmd_valid_i,
    .cmd_ready_o,
    .cmd_data_i,
    .rsp_valid_o,
    .rsp_ready_i,
    .rsp_data_o,
    .op_valid_o  (op_valid),
    .op_ready_i  (op_ready),
    .op_o        (op),
    .op_key_o    (op_key),
    .op_value_o  (op_value),
    .ans_valid_i (ans_valid),
    .ans_status_i(ans_status),
    .ans_key_i   (ans_key),
    .ans_value_i (ans_value)
  );

  // Random bins.
  logic             draw_valid, fresh_valid, remap_valid;
  logic [3:0][63:0] words;
  bolt_pkg::pair_t  fresh, remap;

  bolt_drbg i_drbg (
    .clk_i,
    .rst_ni,
    .clear_i   (fault),
    .seed_i    (start_i),
    .drbg_key_i,
    .valid_o   (draw_valid),
    .take_i    (slot || boot),
    .words_o   (words),
    .tape_en_i,
    .tape_i
  );
  assign tape_take_o  = slot || boot;
  assign boot_ready_o = init_done_o && started_q && draw_valid && !served_q && !slot && !fault;
  assign boot         = boot_valid_i && boot_ready_o;

  bolt_pairs #(
    .Bins(Bins)
  ) i_fresh (
    .clk_i,
    .rst_ni,
    .clear_i(fault),
    .valid_i(draw_valid),
    .words_i(words[1:0]),
    .valid_o(fresh_valid),
    .pair_o (fresh)
  );

  bolt_pairs #(
    .Bins(Bins)
  ) i_remap (
    .clk_i,
    .rst_ni,
    .clear_i(fault),
    .valid_i(draw_valid),
    .words_i(words[3:2]),
    .valid_o(remap_valid),
    .pair_o (remap)
  );

  // The front, and what it asks.
  logic                             hash_done, lookup, found, hit, update, keep;
  logic [bolt_pkg::KeyWidth-1:0]    key;
  logic [bolt_pkg::BucketWidth-1:0] bucket0, bucket1;
  bolt_pkg::entry_t                 old_entry, new_entry;
  logic                             pm_done, pm_full, pm_late;
  logic                             load, dec_en, inc_en, load_valid, load_which, load_full, load_done, load_error;
  logic [bolt_pkg::BinWidth-1:0]    dec_bin, walk_bin, append_bin;
  bolt_pkg::pair_t                  load_pair;
  logic                             alloc, alloc_frame_en, alloc_place_en, release_now, release_en, release_place;
  logic [bolt_pkg::FrameWidth-1:0]  frame, place, release_frame, append_frame, free_count;
  logic                             frame_valid, frame_done, frame_empty, frame_error, place_full;
  logic                             walk, walk_en, step_valid, append, append_en, pend_ready, pend_done, pend_error;
  bolt_pkg::pending_t               step;
  logic [bolt_pkg::CounterWidth-1:0] counter;
  logic                             room, claim, dma_idle, arrived, taken, waits, read_error, write_error, silent, commit;
  logic [1:0]                       claim_host;
  logic [1:0][bolt_pkg::BinWidth-1:0] claim_page;
  logic                             access_valid, value_bad, value_late, value_error;
  bolt_pkg::access_t                access_record;
  logic [ValueBits-1:0]             access_value, stash_wdata, stash_rdata;
  bolt_pkg::pending_t [2*Slots-1:0] access_pending;
  logic [bolt_pkg::FrameWidth-1:0]  stash_waddr, stash_raddr;
  logic                             stash_we;
  logic [$clog2(bolt_pkg::StashPlaces):0] stash_used;

  assign init_done_o = pm_done && load_done && frame_done && pend_done;

  bolt_sched #(
    .HbmBins  (HbmBins),
    .ValueBits(ValueBits)
  ) i_sched (
    .clk_i,
    .rst_ni,
    .clear_i         (fault),
    .ready_i         (init_done_o && started_q && pend_ready),
    .slot_o          (slot),
    .error_o         (sched_error),
    .cmd_valid_i     (op_valid),
    .cmd_ready_o     (op_ready),
    .cmd_op_i        (op),
    .cmd_key_i       (op_key),
    .cmd_value_i     (op_value),
    .draw_valid_i    (draw_valid && fresh_valid && remap_valid),
    .fresh_i         (fresh),
    .remap_i         (remap),
    .prf_done_i      (hash_done),
    .lookup_o        (lookup),
    .key_o           (key),
    .found_i         (found),
    .hit_i           (hit),
    .entry_i         (old_entry),
    .update_o        (update),
    .keep_o          (keep),
    .entry_o         (new_entry),
    .load_o          (load),
    .dec_en_o        (dec_en),
    .dec_bin_o       (dec_bin),
    .inc_en_o        (inc_en),
    .load_pair_o     (load_pair),
    .load_valid_i    (load_valid && served_q),
    .which_i         (load_which),
    .full_i          (load_full),
    .alloc_o         (alloc),
    .alloc_frame_en_o(alloc_frame_en),
    .frame_i         (frame),
    .alloc_place_en_o(alloc_place_en),
    .place_i         (place),
    .release_o       (release_now),
    .release_en_o    (release_en),
    .release_frame_o (release_frame),
    .release_place_o (release_place),
    .walk_o          (walk),
    .walk_en_o       (walk_en),
    .walk_bin_o      (walk_bin),
    .step_valid_i    (step_valid),
    .step_i          (step),
    .counter_i       (counter),
    .append_o        (append),
    .append_en_o     (append_en),
    .append_bin_o    (append_bin),
    .append_frame_o  (append_frame),
    .room_i          (room),
    .claim_o         (claim),
    .claim_host_o    (claim_host),
    .claim_page_o    (claim_page),
    .access_valid_o  (access_valid),
    .access_o        (access_record),
    .value_o         (access_value),
    .pending_o       (access_pending)
  );

  bolt_prf #(
    .Buckets(Buckets)
  ) i_prf (
    .clk_i,
    .rst_ni,
    .clear_i   (fault),
    .hash_key_i(hash_key_q),
    .start_i   (slot),
    .key_i     (key),
    .done_o    (hash_done),
    .bucket0_o (bucket0),
    .bucket1_o (bucket1)
  );

  logic unused_updated;

  bolt_pm_ctl #(
    .Buckets    (Buckets),
    .HbmDeadline(HbmDeadline)
  ) i_pm_ctl (
    .clk_i,
    .rst_ni,
    .clear_i        (fault),
    .init_done_o    (pm_done),
    .lookup_i       (lookup),
    .key_i          (key),
    .bucket0_i      (bucket0),
    .bucket1_i      (bucket1),
    .found_o        (found),
    .hit_o          (hit),
    .entry_o        (old_entry),
    .update_i       (update),
    .keep_i         (keep),
    .entry_i        (new_entry),
    .updated_o      (unused_updated),
    .full_o         (pm_full),
    .late_o         (pm_late),
    .hbm_req_valid_o(pm_req_valid_o),
    .hbm_req_ready_i(pm_req_ready_i),
    .hbm_req_we_o   (pm_req_we_o),
    .hbm_req_addr_o (pm_req_addr_o),
    .hbm_req_wdata_o(pm_req_wdata_o),
    .hbm_rsp_valid_i(pm_rsp_valid_i),
    .hbm_rsp_rdata_i(pm_rsp_rdata_i)
  );

  bolt_load_tab #(
    .Bins(Bins)
  ) i_load_tab (
    .clk_i,
    .rst_ni,
    .init_done_o(load_done),
    .valid_i    (load || boot),
    .dec_en_i   (dec_en && !boot),
    .dec_bin_i  (dec_bin[LoadBin-1:0]),
    .inc_en_i   (inc_en || boot),
    .x_i        (boot ? boot_bin_i[LoadBin-1:0] : load_pair.x[LoadBin-1:0]),
    .y_i        (boot ? boot_bin_i[LoadBin-1:0] : load_pair.y[LoadBin-1:0]),
    .valid_o    (load_valid),
    .which_o    (load_which),
    .full_o     (load_full),
    .error_o    (load_error)
  );

  bolt_frame_mgr #(
    .Frames(Frames)
  ) i_frame_mgr (
    .clk_i,
    .rst_ni,
    .init_done_o    (frame_done),
    .alloc_i        (alloc || boot),
    .alloc_en_i     (boot ? boot_frame_i : alloc_frame_en),
    .frame_valid_o  (frame_valid),
    .frame_o        (frame),
    .release_i      (release_now),
    .release_en_i   (release_en),
    .release_frame_i(release_frame),
    .free_count_o   (free_count),
    .empty_o        (frame_empty),
    .error_o        (frame_error)
  );

  bolt_pend_ctl #(
    .HostBins(HostBins),
    .Frames  (Frames)
  ) i_pend_ctl (
    .clk_i,
    .rst_ni,
    .init_done_o   (pend_done),
    .ready_o       (pend_ready),
    .walk_i        (walk),
    .walk_en_i     (walk_en),
    .walk_bin_i    (walk_bin),
    .step_valid_o  (step_valid),
    .step_o        (step),
    .counter_o     (counter),
    .append_i      (append),
    .append_en_i   (append_en),
    .append_bin_i  (append_bin),
    .append_key_i  (key),
    .append_frame_i(append_frame),
    .error_o       (pend_error)
  );

  bolt_stash #(
    .ValueBytes(ValueBytes)
  ) i_stash (
    .clk_i,
    .rst_ni,
    .clear_i        (fault),
    .alloc_i        (alloc),
    .alloc_en_i     (alloc_place_en),
    .place_o        (place),
    .full_o         (place_full),
    .release_i      (release_place),
    .release_place_i(old_entry.frame),
    .used_count_o   (stash_used),
    .we_i           (stash_we),
    .waddr_i        (stash_waddr),
    .wdata_i        (stash_wdata),
    .raddr_i        (stash_raddr),
    .rdata_o        (stash_rdata)
  );

  // Pages and values.
  logic [1:0]                                   page_re, page_we;
  logic [1:0][BeatWidth-1:0]                    page_raddr, page_waddr;
  logic [1:0][bolt_pkg::AxiDataWidth-1:0]       page_rdata, page_wdata;

  bolt_page_dma #(
    .PageBytes  (PageBytes),
    .InFlight   (InFlight),
    .HostTimeout(HostTimeout)
  ) i_page_dma (
    .clk_i,
    .rst_ni,
    .fault_i      (fault),
    .base_i       (host_base_i),
    .room_o       (room),
    .idle_o       (dma_idle),
    .claim_i      (claim),
    .claim_host_i (claim_host),
    .claim_page_i (claim_page),
    .arrived_o    (arrived),
    .taken_i      (taken),
    .re_i         (page_re),
    .raddr_i      (page_raddr),
    .rdata_o      (page_rdata),
    .we_i         (page_we),
    .waddr_i      (page_waddr),
    .wdata_i      (page_wdata),
    .commit_i     (commit),
    .waits_o      (waits),
    .read_error_o (read_error),
    .write_error_o(write_error),
    .silent_o     (silent),
    .ar_valid_o,
    .ar_ready_i,
    .ar_addr_o,
    .ar_len_o,
    .r_valid_i,
    .r_ready_o,
    .r_data_i,
    .r_resp_i,
    .r_last_i,
    .aw_valid_o,
    .aw_ready_i,
    .aw_addr_o,
    .aw_len_o,
    .w_valid_o,
    .w_ready_i,
    .w_data_o,
    .w_last_o,
    .b_valid_i,
    .b_ready_o,
    .b_resp_i
  );
  assign w_strb_o = '1;

  bolt_value #(
    .Frames     (Frames),
    .ValueBytes (ValueBytes),
    .HbmDeadline(HbmDeadline),
    .InFlight   (InFlight),
    .AesUnits   (AesUnits),
    .Digit      (Digit),
    .LanePairs  (LanePairs)
  ) i_value (
    .clk_i,
    .rst_ni,
    .clear_i        (fault),
    .load_i         (start_i),
    .page_key_i,
    .access_valid_i (access_valid),
    .access_i       (access_record),
    .value_i        (access_value),
    .pending_i      (access_pending),
    .arrived_i      (arrived),
    .taken_o        (taken),
    .re_o           (page_re),
    .raddr_o        (page_raddr),
    .rdata_i        (page_rdata),
    .we_o           (page_we),
    .waddr_o        (page_waddr),
    .wdata_o        (page_wdata),
    .commit_o       (commit),
    .stash_raddr_o  (stash_raddr),
    .stash_rdata_i  (stash_rdata),
    .stash_we_o     (stash_we),
    .stash_waddr_o  (stash_waddr),
    .stash_wdata_o  (stash_wdata),
    .ans_valid_o    (ans_valid),
    .ans_status_o   (ans_status),
    .ans_key_o      (ans_key),
    .ans_value_o    (ans_value),
    .bad_o          (value_bad),
    .late_o         (value_late),
    .error_o        (value_error),
    .hbm_req_valid_o(frame_req_valid_o),
    .hbm_req_ready_i(frame_req_ready_i),
    .hbm_req_we_o   (frame_req_we_o),
    .hbm_req_addr_o (frame_req_addr_o),
    .hbm_req_wdata_o(frame_req_wdata_o),
    .hbm_rsp_valid_i(frame_rsp_valid_i),
    .hbm_rsp_rdata_i(frame_rsp_rdata_i)
  );

  always_comb begin
    events = '0;
    events[bolt_pkg::FaultPageTag]  = value_bad;
    events[bolt_pkg::FaultCommand]  = cmd_bad;
    events[bolt_pkg::FaultAxiRead]  = read_error;
    events[bolt_pkg::FaultAxiWrite] = write_error;
    events[bolt_pkg::FaultDeadline] = pm_late || value_late;
    events[bolt_pkg::FaultBuckets]  = pm_full;
    events[bolt_pkg::FaultFrames]   = frame_valid && frame_empty;
    events[bolt_pkg::FaultStash]    = place_full;
    events[bolt_pkg::FaultState]    = sched_error || value_error || load_error || frame_error || pend_error ||
                                      (load_valid && load_full && !served_q);
    events[bolt_pkg::FaultSilence]  = silent;
  end

  // Counters; accesses in flight are those whose pages are, and those in the front.
  logic [3:0][31:0] count_q;
  logic             front_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      count_q <= '0;
      front_q <= 1'b0;
    end else begin
      front_q    <= (front_q || slot) && !claim && !fault;
      count_q[0] <= count_q[0] + 32'(slot);
      count_q[1] <= count_q[1] + 32'(ar_valid_o && ar_ready_i);
      count_q[2] <= count_q[2] + 32'(aw_valid_o && aw_ready_i);
      count_q[3] <= count_q[3] + 32'(waits);
    end
  end

  logic unused_bits;
  assign unused_bits = unused_updated ^ (^dec_bin) ^ (^load_pair) ^ (^boot_bin_i);

  assign idle_o  = dma_idle && !front_q;
  assign count_o = {32'(stash_used), 32'(free_count), count_q};

  if (Bins < 2 || HbmBins > Bins || InFlight < 1) begin : gen_bad_size
    $error("bolt_top: Bins must be at least 2, HbmBins at most Bins, InFlight at least 1");
  end

endmodule
