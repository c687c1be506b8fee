// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Registers of an AGCU, and its list of descriptors run so many times.
//
// Written before start_i and left alone until the end; sn40l_mem_pkg has the addresses. A list or a number
// of trips of 0 runs nothing; a list longer than Descriptors is cut there. idle_o: the last descriptor was
// handed on.

module sn40l_agcu_program #(
  parameter  int unsigned Descriptors     = 16,
  parameter  int unsigned Segments        = 8,
  localparam int unsigned DescriptorWidth = sn40l_mem_pkg::DescriptorBits,
  localparam int unsigned SegmentBits     = sn40l_mem_pkg::SegmentBits
) (
  input  logic                                 clk_i,
  input  logic                                 rst_ni,
  input  logic                                 cfg_valid_i,
  input  logic [sn40l_pkg::CfgAddrWidth-1:0]   cfg_addr_i,
  input  logic [31:0]                          cfg_data_i,
  input  logic                                 start_i,
  output logic                                 idle_o,
  // Registers
  output logic [sn40l_mem_pkg::AgcuControlBits-1:0] control_o,
  output logic [15:0]                          unit_o,
  output logic [23:0]                          credits_o,
  output logic [31:0]                          buffers_o,
  output logic [Segments-1:0][SegmentBits-1:0] segments_o,
  // Descriptors
  output logic                                 valid_o,
  input  logic                                 ready_i,
  output logic [DescriptorWidth-1:0]           descriptor_o
);

  localparam int unsigned Words      = 11;
  localparam int unsigned IndexWidth = (Descriptors > 1) ? $clog2(Descriptors) : 1;
  localparam int unsigned SegIndex   = (Segments > 1) ? $clog2(Segments) : 1;

  logic [15:0]                             control_q, unit_q;
  logic [23:0]                             credits_q;
  logic [31:0]                             buffers_q;
  logic [7:0]                              count_q;
  logic [15:0]                             trips_q;
  logic [Segments-1:0][3:0][31:0]          segment_q;
  logic [Descriptors-1:0][Words-1:0][31:0] words_q;

  // Where a register is.
  logic       is_descriptor, is_segment;
  logic [7:0] segment_at;
  logic [7:0] descriptor_at;
  assign is_descriptor = cfg_addr_i >= sn40l_mem_pkg::AgcuDescriptor;
  assign is_segment    = cfg_addr_i >= sn40l_mem_pkg::AgcuSegment && !is_descriptor;
  assign segment_at    = 8'((cfg_addr_i - sn40l_mem_pkg::AgcuSegment) >> 2);
  assign descriptor_at = 8'((cfg_addr_i - sn40l_mem_pkg::AgcuDescriptor) >> 4);

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      control_q <= '0;
      unit_q    <= '0;
      credits_q <= '0;
      buffers_q <= '0;
      count_q   <= '0;
      trips_q   <= '0;
      segment_q <= '0;
      words_q   <= '0;
    end else if (cfg_valid_i) begin
      if (is_descriptor) begin
        if (32'(descriptor_at) < Descriptors && 32'(cfg_addr_i[3:0]) < Words) begin
          words_q[IndexWidth'(descriptor_at)][cfg_addr_i[3:0]] <= cfg_data_i;
        end
      end else if (is_segment) begin
        if (32'(segment_at) < Segments) segment_q[SegIndex'(segment_at)][cfg_addr_i[1:0]] <= cfg_data_i;
      end else begin
        unique case (cfg_addr_i)
          sn40l_mem_pkg::AgcuControl: control_q          <= cfg_data_i[15:0];
          sn40l_mem_pkg::AgcuProgram: {trips_q, count_q} <= {cfg_data_i[31:16], cfg_data_i[7:0]};
          sn40l_mem_pkg::AgcuUnit:    unit_q             <= cfg_data_i[15:0];
          sn40l_mem_pkg::AgcuCredits: credits_q          <= cfg_data_i[23:0];
          sn40l_mem_pkg::AgcuBuffers: buffers_q          <= cfg_data_i;
          default:;
        endcase
      end
    end
  end

  assign control_o = control_q;
  assign unit_o    = unit_q;
  assign credits_o = credits_q;
  assign buffers_o = buffers_q;

  for (genvar s = 0; s < Segments; s++) begin : gen_segment
    sn40l_mem_pkg::segment_t segment;
    assign segment.tier   = segment_q[s][1][31];
    assign segment.read   = segment_q[s][1][28];
    assign segment.write  = segment_q[s][1][29];
    assign segment.expert = segment_q[s][1][27:16];
    assign segment.base   = {segment_q[s][1][5:0], segment_q[s][0]};
    assign segment.limit  = {segment_q[s][3][5:0], segment_q[s][2]};
    assign segments_o[s]  = segment;
  end

  // The list.
  logic [15:0]           trip_q;
  logic [7:0]            at_q, count;
  logic                  active_q, last;
  logic [IndexWidth-1:0] index;
  logic [Words-1:0][31:0]     word;
  sn40l_mem_pkg::descriptor_t descriptor;

  assign count = (32'(count_q) > Descriptors) ? 8'(Descriptors) : count_q;
  assign last  = at_q == count - 8'd1;
  assign index = IndexWidth'(at_q);
  assign word  = words_q[index];

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      active_q <= 1'b0;
      at_q     <= '0;
      trip_q   <= '0;
    end else if (start_i) begin
      active_q <= count != '0 && trips_q != '0;
      at_q     <= '0;
      trip_q   <= trips_q - 16'd1;
    end else if (valid_o && ready_i) begin
      at_q <= last ? '0 : at_q + 8'd1;
      if (last) begin
        trip_q   <= trip_q - 16'd1;
        active_q <= trip_q != '0;
      end
    end
  end

  assign valid_o = active_q;
  assign idle_o  = !active_q;

  logic [31:0] head, where;
  assign head  = word[sn40l_mem_pkg::AgcuDHead];
  assign where = word[sn40l_mem_pkg::AgcuDSegments];

  assign descriptor.op          = head[1:0];
  assign descriptor.last        = head[5];
  assign descriptor.irq         = head[6];
  assign descriptor.wait_en     = head[8];
  assign descriptor.wait_token  = head[10:9];
  assign descriptor.post_en     = head[12];
  assign descriptor.post_token  = head[14:13];
  assign descriptor.expert      = head[27:16];
  assign descriptor.src_segment = where[3:0];
  assign descriptor.dst_segment = where[11:8];
  assign descriptor.src_offset  = {where[21:16], word[sn40l_mem_pkg::AgcuDSrcOffset]};
  assign descriptor.dst_offset  = {where[29:24], word[sn40l_mem_pkg::AgcuDDstOffset]};
  assign descriptor.len0        = word[sn40l_mem_pkg::AgcuDLen];
  assign descriptor.n1          = word[sn40l_mem_pkg::AgcuDCounts][15:0];
  assign descriptor.n2          = word[sn40l_mem_pkg::AgcuDCounts][31:16];
  assign descriptor.src_stride1 = word[sn40l_mem_pkg::AgcuDSrcStride1];
  assign descriptor.src_stride2 = word[sn40l_mem_pkg::AgcuDSrcStride2];
  assign descriptor.dst_stride1 = word[sn40l_mem_pkg::AgcuDDstStride1];
  assign descriptor.dst_stride2 = word[sn40l_mem_pkg::AgcuDDstStride2];
  assign descriptor.pattern     = word[sn40l_mem_pkg::AgcuDPattern];
  assign descriptor_o           = descriptor;

  logic unused;
  assign unused = ^head ^ (^where) ^ (^segment_q);

  if (Descriptors < 1 || Descriptors > 128 || Segments < 1 || Segments > 16) begin : gen_bad_size
    $error("sn40l_agcu_program: Descriptors must be 1..128, Segments 1..16");
  end

endmodule
