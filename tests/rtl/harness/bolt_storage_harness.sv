// BOLT's storage units side by side, small, for vector tests; the position map and a bare port each with an
// HBM. Fields of in_i and out_o, lowest first, are those of tests/rtl/bolt_storage.py, unit by unit.

module bolt_storage_harness #(
  parameter int unsigned Buckets    = 4,
  parameter int unsigned CamPlaces  = 4,
  parameter int unsigned Bins       = 8,
  parameter int unsigned HostBins   = 5,
  parameter int unsigned Frames     = 41,
  parameter int unsigned Places     = 4,
  parameter int unsigned ValueBytes = 8,
  parameter int unsigned Deadline   = 32
) (
  input  logic          clk_i,
  input  logic          rst_ni,
  input  logic [4511:0] in_i,
  output logic [2463:0] out_o
);

  localparam int unsigned Slots     = bolt_pkg::Slots;
  localparam int unsigned PlainBits = 8 * (bolt_pkg::page_bytes(ValueBytes) - 16);
  localparam int unsigned ValueBits = 8 * ValueBytes;
  localparam int unsigned PortWidth = 32;

  // Of all units.
  logic        reset, rst_n, clear;
  logic [31:0] seed, slow;
  assign rst_n = rst_ni && !reset;

  // Position map.
  logic                   pm_init, pm_lookup, pm_found, pm_hit, pm_update, pm_keep, pm_updated, pm_full, pm_late;
  logic                   pm_valid, pm_ready, pm_we, pm_rvalid;
  logic [31:0]            pm_key;
  logic [23:0]            pm_bucket0, pm_bucket1, pm_addr;
  bolt_pkg::entry_t       pm_found_entry, pm_entry;
  logic [bolt_pkg::BucketBits-1:0] pm_wdata, pm_rdata;

  bolt_pm_ctl #(
    .Buckets    (Buckets),
    .CamPlaces  (CamPlaces),
    .HbmDeadline(Deadline)
  ) i_pm (
    .clk_i, .rst_ni(rst_n), .clear_i(clear), .init_done_o(pm_init),
    .lookup_i(pm_lookup), .key_i(pm_key), .bucket0_i(pm_bucket0), .bucket1_i(pm_bucket1),
    .found_o(pm_found), .hit_o(pm_hit), .entry_o(pm_found_entry),
    .update_i(pm_update), .keep_i(pm_keep), .entry_i(pm_entry), .updated_o(pm_updated),
    .full_o(pm_full), .late_o(pm_late),
    .hbm_req_valid_o(pm_valid), .hbm_req_ready_i(pm_ready), .hbm_req_we_o(pm_we), .hbm_req_addr_o(pm_addr),
    .hbm_req_wdata_o(pm_wdata), .hbm_rsp_valid_i(pm_rvalid), .hbm_rsp_rdata_i(pm_rdata)
  );

  bolt_hbm #(
    .Width(bolt_pkg::BucketBits), .Depth(Buckets), .Base(6), .RowMiss(5), .RowWords(1), .Banks(2), .Jitter(4),
    .RefreshInterval(97), .RefreshCycles(9)
  ) i_pm_hbm (
    .clk_i, .rst_ni(rst_n), .seed_i(seed), .slow_i(slow),
    .req_valid_i(pm_valid), .req_ready_o(pm_ready), .req_we_i(pm_we), .req_addr_i($clog2(Buckets)'(pm_addr)),
    .req_wdata_i(pm_wdata), .rsp_valid_o(pm_rvalid), .rsp_rdata_o(pm_rdata)
  );

  // A bare port.
  logic                 port_req, port_we, port_valid, port_late;
  logic                 hbm_valid, hbm_ready, hbm_we, hbm_rvalid;
  logic [5:0]           port_addr, hbm_addr;
  logic [PortWidth-1:0] port_wdata, port_rdata, hbm_wdata, hbm_rdata;

  bolt_hbm_port #(
    .Width(PortWidth), .AddrWidth(6), .Deadline(Deadline), .Depth(16)
  ) i_port (
    .clk_i, .rst_ni(rst_n), .clear_i(clear),
    .req_i(port_req), .we_i(port_we), .addr_i(port_addr), .wdata_i(port_wdata),
    .valid_o(port_valid), .rdata_o(port_rdata), .late_o(port_late),
    .hbm_req_valid_o(hbm_valid), .hbm_req_ready_i(hbm_ready), .hbm_req_we_o(hbm_we), .hbm_req_addr_o(hbm_addr),
    .hbm_req_wdata_o(hbm_wdata), .hbm_rsp_valid_i(hbm_rvalid), .hbm_rsp_rdata_i(hbm_rdata)
  );

  bolt_hbm #(
    .Width(PortWidth), .Depth(64), .Base(6), .RowMiss(5), .RowWords(4), .Banks(4), .Jitter(4),
    .RefreshInterval(83), .RefreshCycles(9), .Queue(16)
  ) i_hbm (
    .clk_i, .rst_ni(rst_n), .seed_i(seed), .slow_i(slow),
    .req_valid_i(hbm_valid), .req_ready_o(hbm_ready), .req_we_i(hbm_we), .req_addr_i(hbm_addr),
    .req_wdata_i(hbm_wdata), .rsp_valid_o(hbm_rvalid), .rsp_rdata_o(hbm_rdata)
  );

  // Loads.
  logic                    load_init, load_valid, load_dec, load_inc, load_done, load_which, load_full, load_error;
  logic [$clog2(Bins)-1:0] load_dec_bin, load_x, load_y;

  bolt_load_tab #(
    .Bins(Bins)
  ) i_load_tab (
    .clk_i, .rst_ni(rst_n), .init_done_o(load_init),
    .valid_i(load_valid), .dec_en_i(load_dec), .dec_bin_i(load_dec_bin), .inc_en_i(load_inc), .x_i(load_x),
    .y_i(load_y), .valid_o(load_done), .which_o(load_which), .full_o(load_full), .error_o(load_error)
  );

  // Frames.
  logic        frame_init, frame_alloc, frame_en, frame_valid, frame_release, frame_release_en, frame_empty;
  logic        frame_error;
  logic [23:0] frame, frame_back, frame_count;

  bolt_frame_mgr #(
    .Frames(Frames)
  ) i_frame_mgr (
    .clk_i, .rst_ni(rst_n), .init_done_o(frame_init),
    .alloc_i(frame_alloc), .alloc_en_i(frame_en), .frame_valid_o(frame_valid), .frame_o(frame),
    .release_i(frame_release), .release_en_i(frame_release_en), .release_frame_i(frame_back),
    .free_count_o(frame_count), .empty_o(frame_empty), .error_o(frame_error)
  );

  // Pending lists.
  logic               pend_init, pend_ready, pend_walk, pend_walk_en, pend_step_valid, pend_append, pend_append_en;
  logic               pend_error;
  logic [23:0]        pend_walk_bin, pend_append_bin, pend_append_frame;
  logic [31:0]        pend_append_key;
  logic [63:0]        pend_counter;
  bolt_pkg::pending_t pend_step;

  bolt_pend_ctl #(
    .HostBins(HostBins), .Frames(Frames)
  ) i_pend_ctl (
    .clk_i, .rst_ni(rst_n), .init_done_o(pend_init), .ready_o(pend_ready),
    .walk_i(pend_walk), .walk_en_i(pend_walk_en), .walk_bin_i(pend_walk_bin),
    .step_valid_o(pend_step_valid), .step_o(pend_step), .counter_o(pend_counter),
    .append_i(pend_append), .append_en_i(pend_append_en), .append_bin_i(pend_append_bin),
    .append_key_i(pend_append_key), .append_frame_i(pend_append_frame), .error_o(pend_error)
  );

  // Stash.
  logic                  stash_alloc, stash_en, stash_full, stash_release, stash_we;
  logic [23:0]           stash_place, stash_back, stash_waddr, stash_raddr;
  logic [$clog2(Places):0] stash_count;
  logic [ValueBits-1:0]  stash_wdata, stash_rdata;

  bolt_stash #(
    .Places(Places), .ValueBytes(ValueBytes)
  ) i_stash (
    .clk_i, .rst_ni(rst_n), .clear_i(clear),
    .alloc_i(stash_alloc), .alloc_en_i(stash_en), .place_o(stash_place), .full_o(stash_full),
    .release_i(stash_release), .release_place_i(stash_back), .used_count_o(stash_count),
    .we_i(stash_we), .waddr_i(stash_waddr), .wdata_i(stash_wdata), .raddr_i(stash_raddr), .rdata_o(stash_rdata)
  );

  // Merge.
  logic                            merge_start, merge_en, merge_done, merge_hit, merge_over;
  logic [31:0]                     merge_key;
  logic [PlainBits-1:0]            merge_page, merged_page;
  bolt_pkg::pending_t [Slots-1:0]  merge_pending;
  logic [Slots-1:0][ValueBits-1:0] merge_values;
  logic [ValueBits-1:0]            merge_value;

  bolt_merge #(
    .ValueBytes(ValueBytes)
  ) i_merge (
    .clk_i, .rst_ni(rst_n), .clear_i(clear), .start_i(merge_start), .page_i(merge_page),
    .pending_i(merge_pending), .values_i(merge_values), .key_i(merge_key), .key_en_i(merge_en),
    .done_o(merge_done), .page_o(merged_page), .hit_o(merge_hit), .value_o(merge_value), .over_o(merge_over)
  );

  logic [36:0] unused_in;

  assign {
    unused_in,
    merge_values, merge_pending, merge_page, merge_en, merge_key, merge_start,
    stash_raddr, stash_wdata, stash_waddr, stash_we, stash_back, stash_release, stash_en, stash_alloc,
    pend_append_frame, pend_append_key, pend_append_bin, pend_append_en, pend_append,
    pend_walk_bin, pend_walk_en, pend_walk,
    frame_back, frame_release_en, frame_release, frame_en, frame_alloc,
    load_y, load_x, load_inc, load_dec_bin, load_dec, load_valid,
    port_wdata, port_addr, port_we, port_req,
    pm_entry, pm_keep, pm_update, pm_bucket1, pm_bucket0, pm_key, pm_lookup,
    slow, seed, clear, reset
  } = in_i;

  assign out_o = $bits(out_o)'({
    merge_over, merge_value, merge_hit, merged_page, merge_done,
    stash_rdata, stash_count, stash_full, stash_place,
    pend_error, pend_counter, pend_step, pend_step_valid, pend_ready, pend_init,
    frame_error, frame_empty, frame_count, frame, frame_valid, frame_init,
    load_error, load_full, load_which, load_done, load_init,
    hbm_rvalid, port_late, port_rdata, port_valid,
    pm_rvalid, pm_addr, pm_we, pm_valid, pm_late, pm_full, pm_updated, pm_found_entry, pm_hit, pm_found, pm_init
  });

endmodule
