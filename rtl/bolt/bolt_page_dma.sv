// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Pages between the host's memory and the card: one AXI4 burst a page, all in order.
//
// An access claims a place of a ring for its two bins, page 0 and page 1; either or both may be in HBM
// (host bit 0) and then move nothing. Pages of the place are read, both are handed to the value stage
// (arrived_o), which takes them, puts their new contents beside them and commits, at most one place being taken
// and not committed; then they are written, and the place is free when both writes were answered. A page is
// not read while an older access has yet to write it: the comparison is of page numbers that the host sees, of
// nothing else.
// Contents are sealed records both ways. After fault_i no burst begins; one that has begun is finished.
// One identifier: answers must come in order, as AXI4 promises for equal identifiers.
// silent_o: the host has taken and given nothing for HostTimeout cycles, of the reads or of the writes that
// it owes. What it owes and what it does are all that is counted, and it sees both.

module bolt_page_dma #(
  parameter  int unsigned PageBytes = 512,  // a power of two, 64..4096
  parameter  int unsigned InFlight  = 4,    // places: a power of two, or 1
  parameter  int unsigned HostTimeout = 1048576,  // cycles, at least 2
  localparam int unsigned Beats     = PageBytes / 64,
  localparam int unsigned BeatWidth = (Beats > 1) ? $clog2(Beats) : 1
) (
  input  logic                                    clk_i,
  input  logic                                    rst_ni,
  input  logic                                    fault_i,
  input  logic [bolt_pkg::AxiAddrWidth-1:0]       base_i,
  // A place is free; an access claims it (only when one is)
  output logic                                    room_o,
  output logic                                    idle_o,
  input  logic                                    claim_i,
  input  logic [1:0]                              claim_host_i,
  input  logic [1:0][bolt_pkg::BinWidth-1:0]      claim_page_i,  // from base_i, in pages
  // The oldest place that is not taken: its pages are here; beats read, a cycle later
  output logic                                    arrived_o,
  input  logic                                    taken_i,
  input  logic [1:0]                              re_i,
  input  logic [1:0][BeatWidth-1:0]               raddr_i,
  output logic [1:0][bolt_pkg::AxiDataWidth-1:0]  rdata_o,
  // The oldest place that is not committed, taken before: beats written
  input  logic [1:0]                              we_i,
  input  logic [1:0][BeatWidth-1:0]               waddr_i,
  input  logic [1:0][bolt_pkg::AxiDataWidth-1:0]  wdata_i,
  input  logic                                    commit_i,
  // What happens: a read waits for an older write; errors
  output logic                                    waits_o,
  output logic                                    read_error_o,
  output logic                                    write_error_o,
  output logic                                    silent_o,
  // AXI4, INCR, 64 bytes a beat
  output logic                                    ar_valid_o,
  input  logic                                    ar_ready_i,
  output logic [bolt_pkg::AxiAddrWidth-1:0]       ar_addr_o,
  output logic [7:0]                              ar_len_o,
  input  logic                                    r_valid_i,
  output logic                                    r_ready_o,
  input  logic [bolt_pkg::AxiDataWidth-1:0]       r_data_i,
  input  logic [1:0]                              r_resp_i,
  input  logic                                    r_last_i,
  output logic                                    aw_valid_o,
  input  logic                                    aw_ready_i,
  output logic [bolt_pkg::AxiAddrWidth-1:0]       aw_addr_o,
  output logic [7:0]                              aw_len_o,
  output logic                                    w_valid_o,
  input  logic                                    w_ready_i,
  output logic [bolt_pkg::AxiDataWidth-1:0]       w_data_o,
  output logic                                    w_last_o,
  input  logic                                    b_valid_i,
  output logic                                    b_ready_o,
  input  logic [1:0]                              b_resp_i
);

  localparam int unsigned AddrWidth = bolt_pkg::AxiAddrWidth;
  localparam int unsigned DataWidth = bolt_pkg::AxiDataWidth;
  localparam int unsigned BinWidth  = bolt_pkg::BinWidth;
  localparam int unsigned Pages     = 2 * InFlight;
  localparam int unsigned PageIndex = $clog2(Pages);
  localparam int unsigned RamDepth  = InFlight * Beats;
  localparam int unsigned RamWidth  = (RamDepth > 1) ? $clog2(RamDepth) : 1;
  localparam int unsigned PageShift = $clog2(PageBytes);
  localparam logic [BeatWidth-1:0] LastBeat = BeatWidth'(Beats - 1);

  // Places, and how far each step has come: pages in order, one bit more than an index.
  logic [Pages-1:0]               host_q;
  logic [Pages-1:0][BinWidth-1:0] page_q;
  logic [PageIndex:0] claim_q, ask_q, read_q, take_q, value_q, write_q, done_q;
  logic               ask, ask_skip, read_skip, read_end, write_skip, write_end, done_skip, done_end;

  assign room_o    = (PageIndex + 1)'(claim_q - done_q) <= (PageIndex + 1)'(Pages - 2);
  assign idle_o    = claim_q == done_q;
  assign arrived_o = (PageIndex + 1)'(read_q - take_q) >= (PageIndex + 1)'(2);

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      host_q  <= '0;
      page_q  <= '0;
      claim_q <= '0;
      ask_q   <= '0;
      read_q  <= '0;
      take_q  <= '0;
      value_q <= '0;
      write_q <= '0;
      done_q  <= '0;
    end else begin
      if (claim_i) begin
        for (int unsigned lane = 0; lane < 2; lane++) begin
          host_q[claim_q[PageIndex-1:0] + PageIndex'(lane)] <= claim_host_i[lane];
          page_q[claim_q[PageIndex-1:0] + PageIndex'(lane)] <= claim_page_i[lane];
        end
        claim_q <= claim_q + (PageIndex + 1)'(2);
      end
      if (ask || ask_skip)          ask_q   <= ask_q + (PageIndex + 1)'(1);
      if (read_end || read_skip)    read_q  <= read_q + (PageIndex + 1)'(1);
      if (taken_i)                  take_q  <= take_q + (PageIndex + 1)'(2);
      if (commit_i)                 value_q <= value_q + (PageIndex + 1)'(2);
      if (write_end || write_skip)  write_q <= write_q + (PageIndex + 1)'(1);
      if (done_end || done_skip)    done_q  <= done_q + (PageIndex + 1)'(1);
    end
  end

  // Reads are asked for, unless an older access writes the same page yet.
  logic                 asks, busy, ar_valid_q;
  logic [AddrWidth-1:0] ar_addr_q;

  assign asks = ask_q != claim_q;
  always_comb begin
    busy = 1'b0;
    for (int unsigned page = 0; page < Pages; page++) begin
      if (host_q[page] && page_q[page] == page_q[ask_q[PageIndex-1:0]] &&
          {1'b0, PageIndex'(PageIndex'(page) - done_q[PageIndex-1:0])} < (PageIndex + 1)'(ask_q - done_q)) begin
        busy = 1'b1;
      end
    end
  end
  assign ask_skip = asks && !host_q[ask_q[PageIndex-1:0]];
  assign ask      = asks && host_q[ask_q[PageIndex-1:0]] && !busy && !fault_i && (!ar_valid_q || ar_ready_i);
  assign waits_o  = asks && host_q[ask_q[PageIndex-1:0]] && busy;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      ar_valid_q <= 1'b0;
      ar_addr_q  <= '0;
    end else if (ask) begin
      ar_valid_q <= 1'b1;
      ar_addr_q  <= base_i + (AddrWidth'(page_q[ask_q[PageIndex-1:0]]) << PageShift);
    end else if (ar_ready_i) begin
      ar_valid_q <= 1'b0;
    end
  end
  assign ar_valid_o = ar_valid_q;
  assign ar_addr_o  = ar_addr_q;
  assign ar_len_o   = 8'(Beats - 1);

  // Beats arrive.
  logic                 reads;
  logic [BeatWidth-1:0] read_beat_q;

  assign reads     = read_q != ask_q;
  assign read_skip = reads && !host_q[read_q[PageIndex-1:0]];
  assign r_ready_o = reads && host_q[read_q[PageIndex-1:0]];
  assign read_end  = r_valid_i && r_ready_o && read_beat_q == LastBeat;
  assign read_error_o = r_valid_i && r_ready_o && (r_resp_i[1] || r_last_i != (read_beat_q == LastBeat));

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) read_beat_q <= '0;
    else if (r_valid_i && r_ready_o) read_beat_q <= read_end ? '0 : read_beat_q + BeatWidth'(1);
  end

  // Writes: an address and its beats, the next page after the last beat was taken.
  logic                 writes, write_begin, sending_q, aw_valid_q, w_step, w_end;
  logic [AddrWidth-1:0] aw_addr_q;
  logic [BeatWidth-1:0] send_beat_q, fetch_beat;

  assign writes      = write_q != value_q;
  assign write_skip  = writes && !host_q[write_q[PageIndex-1:0]];
  assign write_begin = writes && host_q[write_q[PageIndex-1:0]] && !sending_q && !aw_valid_q && !fault_i;
  assign w_step      = sending_q && w_ready_i;
  assign w_end       = w_step && send_beat_q == LastBeat;
  assign write_end   = w_end;
  assign fetch_beat  = write_begin ? '0 : send_beat_q + BeatWidth'(1);

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      sending_q   <= 1'b0;
      aw_valid_q  <= 1'b0;
      aw_addr_q   <= '0;
      send_beat_q <= '0;
    end else begin
      if (aw_ready_i) aw_valid_q <= 1'b0;
      if (write_begin) begin
        sending_q   <= 1'b1;
        aw_valid_q  <= 1'b1;
        aw_addr_q   <= base_i + (AddrWidth'(page_q[write_q[PageIndex-1:0]]) << PageShift);
        send_beat_q <= '0;
      end else if (w_step) begin
        sending_q   <= !w_end;
        send_beat_q <= send_beat_q + BeatWidth'(1);
      end
    end
  end
  assign aw_valid_o = aw_valid_q;
  assign aw_addr_o  = aw_addr_q;
  assign aw_len_o   = 8'(Beats - 1);
  assign w_valid_o  = sending_q;
  assign w_last_o   = send_beat_q == LastBeat;

  // Answers to writes free the place.
  logic dones;

  assign dones         = done_q != write_q;
  assign done_skip     = dones && !host_q[done_q[PageIndex-1:0]];
  assign b_ready_o     = dones && host_q[done_q[PageIndex-1:0]];
  assign done_end      = b_valid_i && b_ready_o;
  assign write_error_o = done_end && b_resp_i[1];

  // Patience with the host: reads and writes by themselves, so that neither hides the other's end.
  localparam int unsigned TimeWidth = $clog2(HostTimeout + 1);
  logic [1:0]                owed, served;
  logic [1:0][TimeWidth-1:0] silence_q;

  assign owed   = {aw_valid_q || sending_q || b_ready_o, r_ready_o};
  assign served = {(aw_valid_q && aw_ready_i) || w_step || done_end, r_valid_i};

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      silence_q <= '0;
    end else begin
      for (int unsigned way = 0; way < 2; way++) begin
        if (!owed[way] || served[way] || fault_i) silence_q[way] <= '0;
        else silence_q[way] <= silence_q[way] + TimeWidth'(1);
      end
    end
  end
  assign silent_o = silence_q[0] == TimeWidth'(HostTimeout) || silence_q[1] == TimeWidth'(HostTimeout);

  // Contents: for page 0 and page 1 of a place, as read and as to be written.
  logic [1:0][DataWidth-1:0] out_words;

  function automatic logic [RamWidth-1:0] ram_address(logic [PageIndex-1:0] page,
                                                      logic [BeatWidth-1:0] beat);
    ram_address = RamWidth'(32'(page >> 1) * Beats + 32'(beat));
  endfunction

  for (genvar lane = 0; lane < 2; lane++) begin : gen_lane
    sram_1r1w #(
      .Width(DataWidth),
      .Depth(RamDepth)
    ) i_in (
      .clk_i,
      .rst_ni,
      .we_i   (r_valid_i && r_ready_o && read_q[0] == 1'(lane)),
      .waddr_i(ram_address(read_q[PageIndex-1:0], read_beat_q)),
      .wdata_i(r_data_i),
      .re_i   (re_i[lane]),
      .raddr_i(ram_address(take_q[PageIndex-1:0], raddr_i[lane])),
      .rdata_o(rdata_o[lane])
    );

    sram_1r1w #(
      .Width(DataWidth),
      .Depth(RamDepth)
    ) i_out (
      .clk_i,
      .rst_ni,
      .we_i   (we_i[lane]),
      .waddr_i(ram_address(value_q[PageIndex-1:0], waddr_i[lane])),
      .wdata_i(wdata_i[lane]),
      .re_i   ((write_begin || w_step) && write_q[0] == 1'(lane)),
      .raddr_i(ram_address(write_q[PageIndex-1:0], fetch_beat)),
      .rdata_o(out_words[lane])
    );
  end
  assign w_data_o = out_words[write_q[0]];

  // SLVERR and DECERR are told apart from OKAY and EXOKAY by the upper bit.
  logic unused;
  assign unused = r_resp_i[0] ^ b_resp_i[0];

  if (PageBytes < 64 || PageBytes > 4096 || (PageBytes & (PageBytes - 1)) != 0) begin : gen_bad_page
    $error("bolt_page_dma: PageBytes must be a power of two, 64..4096");
  end
  if (InFlight < 1 || (InFlight & (InFlight - 1)) != 0) begin : gen_bad_places
    $error("bolt_page_dma: InFlight must be a power of two");
  end
  if (HostTimeout < 2) begin : gen_bad_patience
    $error("bolt_page_dma: HostTimeout must be at least 2");
  end

endmodule
