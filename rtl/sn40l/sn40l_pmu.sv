// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Pattern memory unit: a banked scratchpad with two readers and two writers (SN40L, MICRO 2024, section IV-B).
//
// Registers, tokens and ports are in sn40l_pkg. A stage buffer of any depth is its writers' and readers'
// address patterns: the PMU counts units, it knows no buffers. With SinglePort each bank does one read or one
// write a cycle, else one of each. A read of a word written in the same cycle gives the old word: readers
// that await their writers never do it. Packets for no writer are dropped and counted.

module sn40l_pmu #(
  parameter int unsigned Banks      = 8,
  parameter int unsigned Depth      = 4096,  // words of a bank
  parameter bit          SinglePort = 1'b0
) (
  input  logic                                                     clk_i,
  input  logic                                                     rst_ni,
  input  logic                                                     start_i,
  output logic                                                     done_o,
  input  logic                                                     cfg_valid_i,
  input  logic [sn40l_pkg::CfgAddrWidth-1:0]                       cfg_addr_i,
  input  logic [31:0]                                              cfg_data_i,
  input  logic [sn40l_pkg::Tokens-1:0]                             token_i,
  output logic [sn40l_pkg::Tokens-1:0]                             token_o,
  input  logic [sn40l_pkg::Planes-1:0]                             rx_valid_i,
  output logic [sn40l_pkg::Planes-1:0]                             rx_ready_o,
  input  logic [sn40l_pkg::Planes-1:0][sn40l_pkg::PacketWidth-1:0] rx_packet_i,
  output logic [sn40l_pkg::Planes-1:0]                             tx_valid_o,
  input  logic [sn40l_pkg::Planes-1:0]                             tx_ready_i,
  output logic [sn40l_pkg::Planes-1:0][sn40l_pkg::PacketWidth-1:0] tx_packet_o,
  output logic [sn40l_pkg::StatWords-1:0][31:0]                    stat_o
);

  localparam int unsigned Lanes        = sn40l_pkg::Lanes;
  localparam int unsigned Planes       = sn40l_pkg::Planes;
  localparam int unsigned Readers      = sn40l_pkg::PmuReaders;
  localparam int unsigned Writers      = sn40l_pkg::PmuWriters;
  localparam int unsigned Destinations = sn40l_pkg::Destinations;
  localparam int unsigned Contexts     = Readers + Writers;
  localparam int unsigned Word         = sn40l_pkg::WordWidth + 1;
  localparam int unsigned BankWidth    = $clog2(Banks);
  localparam int unsigned RowWidth     = $clog2(Depth);
  localparam int unsigned LaneWidth    = $clog2(Lanes);
  localparam int unsigned PacketWidth  = sn40l_pkg::PacketWidth;

  // Registers: which bits of an address are its bank.
  logic [BankWidth-1:0][4:0] bank_bit_q;
  logic [Contexts-1:0]       cfg_context;

  for (genvar i = 0; i < BankWidth; i++) begin : gen_bank_bit
    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) bank_bit_q[i] <= 5'(i);
      else if (cfg_valid_i && 32'(cfg_addr_i) == sn40l_pkg::PmuBankBit + i) bank_bit_q[i] <= cfg_data_i[4:0];
    end
  end

  for (genvar c = 0; c < Contexts; c++) begin : gen_cfg
    assign cfg_context[c] = cfg_valid_i && cfg_addr_i[sn40l_pkg::CfgAddrWidth-1:5] == 7'(c);
  end

  // Readers and writers.
  logic [Contexts-1:0][Lanes-1:0]                pending, granted;
  logic [Contexts-1:0][Lanes-1:0][BankWidth-1:0] bank;
  logic [Contexts-1:0][Lanes-1:0][RowWidth-1:0]  row;
  logic [Contexts-1:0]                           idle, waits;
  logic [Banks-1:0][Word-1:0]                    rdata;
  logic [Writers-1:0]                            unit_written;
  logic [Readers-1:0]                            unit_read, out_plane, out_valid, out_ready;
  logic [Readers-1:0][PacketWidth-1:0]           out_packet;
  logic [Writers-1:0][Planes-1:0]                mine;
  logic [Writers-1:0]                            in_ready, wpoison;
  logic [Planes-1:0]                             taken, stray, poisoned;
  logic [Writers-1:0][sn40l_pkg::VecWidth-1:0]   wdata;

  for (genvar r = 0; r < Readers; r++) begin : gen_reader
    sn40l_pmu_reader #(.Banks(Banks), .Depth(Depth)) i_reader (
      .clk_i,
      .rst_ni,
      .start_i,
      .idle_o     (idle[r]),
      .cfg_valid_i(cfg_context[r]),
      .cfg_addr_i (cfg_addr_i[4:0]),
      .cfg_data_i,
      .bank_bit_i (bank_bit_q),
      .credit_i   (token_i[r*Destinations +: Destinations]),
      .unit_i     ({token_i[sn40l_pkg::PmuTokenElsewhere+r], unit_written}),
      .unit_read_o(unit_read[r]),
      .pending_o  (pending[r]),
      .bank_o     (bank[r]),
      .row_o      (row[r]),
      .granted_i  (granted[r]),
      .rdata_i    (rdata),
      .plane_o    (out_plane[r]),
      .valid_o    (out_valid[r]),
      .ready_i    (out_ready[r]),
      .packet_o   (out_packet[r])
    );
  end

  for (genvar w = 0; w < Writers; w++) begin : gen_writer
    sn40l_pmu_writer #(.Banks(Banks), .Depth(Depth)) i_writer (
      .clk_i,
      .rst_ni,
      .start_i,
      .idle_o        (idle[Readers+w]),
      .cfg_valid_i   (cfg_context[Readers+w]),
      .cfg_addr_i    (cfg_addr_i[4:0]),
      .cfg_data_i,
      .bank_bit_i    (bank_bit_q),
      .unit_written_o(unit_written[w]),
      .rx_packet_i,
      .mine_o        (mine[w]),
      .ready_o       (in_ready[w]),
      .taken_i       (taken),
      .pending_o     (pending[Readers+w]),
      .bank_o        (bank[Readers+w]),
      .row_o         (row[Readers+w]),
      .data_o        (wdata[w]),
      .poison_o      (wpoison[w]),
      .granted_i     (granted[Readers+w])
    );
  end

  // Banks.
  logic [Banks-1:0]                read, write;
  logic [Banks-1:0]                write_ctx;
  logic [Banks-1:0][LaneWidth-1:0] write_lane;
  logic [Banks-1:0][RowWidth-1:0]  read_row, write_row;

  if (SinglePort) begin : gen_single_port
    logic [Banks-1:0]                used;
    logic [Banks-1:0][1:0]           ctx;
    logic [Banks-1:0][RowWidth-1:0]  used_row;

    sn40l_bank_arbiter #(.Contexts(Contexts), .Banks(Banks), .RowWidth(RowWidth)) i_arbiter (
      .clk_i,
      .rst_ni,
      .pending_i(pending),
      .bank_i   (bank),
      .row_i    (row),
      .granted_o(granted),
      .waits_o  (waits),
      .used_o   (used),
      .ctx_o    (ctx),
      .lane_o   (write_lane),
      .row_o    (used_row)
    );

    for (genvar b = 0; b < Banks; b++) begin : gen_bank
      assign read[b]      = used[b] && !ctx[b][1];
      assign write[b]     = used[b] && ctx[b][1];
      assign write_ctx[b] = ctx[b][0];
    end
    assign read_row  = used_row;
    assign write_row = used_row;
  end else begin : gen_two_ports
    logic [Banks-1:0]                unused_read_ctx;
    logic [Banks-1:0][LaneWidth-1:0] unused_read_lane;

    sn40l_bank_arbiter #(.Contexts(Readers), .Banks(Banks), .RowWidth(RowWidth)) i_read_arbiter (
      .clk_i,
      .rst_ni,
      .pending_i(pending[Readers-1:0]),
      .bank_i   (bank[Readers-1:0]),
      .row_i    (row[Readers-1:0]),
      .granted_o(granted[Readers-1:0]),
      .waits_o  (waits[Readers-1:0]),
      .used_o   (read),
      .ctx_o    (unused_read_ctx),
      .lane_o   (unused_read_lane),
      .row_o    (read_row)
    );

    sn40l_bank_arbiter #(.Contexts(Writers), .Banks(Banks), .RowWidth(RowWidth)) i_write_arbiter (
      .clk_i,
      .rst_ni,
      .pending_i(pending[Contexts-1:Readers]),
      .bank_i   (bank[Contexts-1:Readers]),
      .row_i    (row[Contexts-1:Readers]),
      .granted_o(granted[Contexts-1:Readers]),
      .waits_o  (waits[Contexts-1:Readers]),
      .used_o   (write),
      .ctx_o    (write_ctx),
      .lane_o   (write_lane),
      .row_o    (write_row)
    );
  end

  for (genvar b = 0; b < Banks; b++) begin : gen_bank
    sram_1r1w #(.Width(Word), .Depth(Depth)) i_sram (
      .clk_i,
      .rst_ni,
      .we_i   (write[b]),
      .waddr_i(write_row[b]),
      .wdata_i({wpoison[write_ctx[b]], wdata[write_ctx[b]][32*write_lane[b] +: 32]}),
      .re_i   (read[b]),
      .raddr_i(read_row[b]),
      .rdata_o(rdata[b])
    );
  end

  // Packets in: to their writers, or away.
  for (genvar p = 0; p < Planes; p++) begin : gen_in
    assign rx_ready_o[p] = (!mine[0][p] || in_ready[0]) && (!mine[1][p] || in_ready[1]);
    assign taken[p]      = rx_valid_i[p] && rx_ready_o[p];
    assign stray[p]      = taken[p] && !mine[0][p] && !mine[1][p];
    assign poisoned[p]   = taken[p] && !stray[p] && rx_packet_i[p][sn40l_pkg::VecWidth];
  end

  // Packets out: readers on one plane take turns; a packet offered stays.
  logic [Planes-1:0] turn_q, chosen;

  for (genvar p = 0; p < Planes; p++) begin : gen_out
    logic [Readers-1:0] offers;

    for (genvar r = 0; r < Readers; r++) begin : gen_reader
      assign offers[r] = out_valid[r] && 32'(out_plane[r]) == p;
    end
    assign chosen[p]      = offers[turn_q[p]] ? turn_q[p] : !turn_q[p];
    assign tx_valid_o[p]  = offers != '0;
    assign tx_packet_o[p] = out_packet[chosen[p]];

    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni)            turn_q[p] <= 1'b0;
      else if (tx_valid_o[p]) turn_q[p] <= tx_ready_i[p] ? !chosen[p] : chosen[p];
    end
  end

  for (genvar r = 0; r < Readers; r++) begin : gen_out_ready
    assign out_ready[r] = tx_ready_i[out_plane[r]] && 32'(chosen[out_plane[r]]) == r;
  end

  // Tokens, counters.
  assign token_o[sn40l_pkg::PmuTokenRead +: Readers]    = unit_read;
  assign token_o[sn40l_pkg::PmuTokenWritten +: Writers] = unit_written;
  assign token_o[sn40l_pkg::Tokens-1:Contexts]          = '0;

  logic [31:0] read_conflicts_q, write_conflicts_q, strays_q, poisoned_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      read_conflicts_q  <= '0;
      write_conflicts_q <= '0;
      strays_q          <= '0;
      poisoned_q        <= '0;
    end else begin
      if (waits != '0) begin
        read_conflicts_q  <= read_conflicts_q + 32'(waits[0]) + 32'(waits[1]);
        write_conflicts_q <= write_conflicts_q + 32'(waits[2]) + 32'(waits[3]);
      end
      if (stray != '0)    strays_q   <= strays_q + 32'(stray[0]) + 32'(stray[1]);
      if (poisoned != '0) poisoned_q <= poisoned_q + 32'(poisoned[0]) + 32'(poisoned[1]);
    end
  end

  assign done_o = &idle;
  assign stat_o[sn40l_pkg::PmuStatReadConflicts]  = read_conflicts_q;
  assign stat_o[sn40l_pkg::PmuStatWriteConflicts] = write_conflicts_q;
  assign stat_o[sn40l_pkg::PmuStatStrays]         = strays_q;
  assign stat_o[sn40l_pkg::PmuStatPoisoned]       = poisoned_q;

endmodule
