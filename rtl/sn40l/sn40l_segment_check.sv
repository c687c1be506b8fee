// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Whether every byte of a descriptor's rows is in its segment and may be touched: combinational.
//
// Row (i2, i1) takes len_i bytes from offset_i + i1 * stride1_i + i2 * stride2_i. The lowest and the
// highest row are corners of the rectangle of rows, so the test is exact. The first that fails counts:
// shape, expert, permission, bounds. A segment of size 0 holds nothing; one that would leave its tier ends
// there.

module sn40l_segment_check #(
  parameter int unsigned OffsetWidth = sn40l_mem_pkg::OffsetWidth,
  parameter int unsigned LenWidth    = sn40l_mem_pkg::LenWidth,
  parameter int unsigned CountWidth  = sn40l_mem_pkg::CountWidth,
  parameter int unsigned StrideWidth = sn40l_mem_pkg::StrideWidth,
  parameter int unsigned ExpertWidth = sn40l_mem_pkg::ExpertWidth
) (
  input  logic                                read_i,   // what is to be done
  input  logic                                write_i,
  input  logic [ExpertWidth-1:0]              expert_i,
  input  logic [OffsetWidth-1:0]              offset_i,
  input  logic [LenWidth-1:0]                 len_i,
  input  logic [CountWidth-1:0]               n1_i,
  input  logic [CountWidth-1:0]               n2_i,
  input  logic [StrideWidth-1:0]              stride1_i,
  input  logic [StrideWidth-1:0]              stride2_i,
  input  logic                                may_read_i,  // the segment
  input  logic                                may_write_i,
  input  logic [ExpertWidth-1:0]              owner_i,     // all ones: anybody's
  input  logic [OffsetWidth-1:0]              base_i,
  input  logic [OffsetWidth-1:0]              limit_i,
  output logic [sn40l_mem_pkg::CodeWidth-1:0] code_o
);

  localparam int unsigned SpanWidth = CountWidth + StrideWidth + 1;
  localparam int unsigned MostWidth = (SpanWidth > OffsetWidth) ? SpanWidth : OffsetWidth;
  localparam int unsigned SumWidth  = ((MostWidth > LenWidth) ? MostWidth : LenWidth) + 4;

  // Signed: from the first row to the last along a dimension.
  logic signed [SpanWidth-1:0] span1, span2;
  logic signed [SumWidth-1:0]  low, high;  // first byte; one past the last
  logic                        shape, bounds;

  assign span1 = $signed({1'b0, n1_i - CountWidth'(1)}) * $signed(stride1_i);
  assign span2 = $signed({1'b0, n2_i - CountWidth'(1)}) * $signed(stride2_i);

  assign low  = $signed(SumWidth'(offset_i)) +
                (span1[SpanWidth-1] ? SumWidth'(span1) : '0) + (span2[SpanWidth-1] ? SumWidth'(span2) : '0);
  assign high = $signed(SumWidth'(offset_i)) + $signed(SumWidth'(len_i)) +
                (span1[SpanWidth-1] ? '0 : SumWidth'(span1)) + (span2[SpanWidth-1] ? '0 : SumWidth'(span2));

  assign shape  = len_i == '0 || n1_i == '0 || n2_i == '0;
  assign bounds = low[SumWidth-1] || high > $signed(SumWidth'(limit_i)) ||
                  high + $signed(SumWidth'(base_i)) > $signed({{(SumWidth - OffsetWidth - 1){1'b0}}, 1'b1,
                                                               {OffsetWidth{1'b0}}});

  always_comb begin
    code_o = sn40l_mem_pkg::CodeOkay;
    if (shape)                                               code_o = sn40l_mem_pkg::CodeShape;
    else if (owner_i != '1 && owner_i != expert_i)           code_o = sn40l_mem_pkg::CodeExpert;
    else if ((read_i && !may_read_i) || (write_i && !may_write_i)) code_o = sn40l_mem_pkg::CodePermit;
    else if (bounds)                                         code_o = sn40l_mem_pkg::CodeBounds;
  end

endmodule
