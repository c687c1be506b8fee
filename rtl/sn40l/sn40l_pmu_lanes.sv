// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Bank and row of each lane of a vector access (SN40L, MICRO 2024, section IV-B): programmable bank bits,
// diagonal striping, predicate.
//
// Lane l is the word at addr_i + l * lane_stride_i. Its address bits are exchanged in turn, bit i with bit
// bank_bit_i[i]; then the lowest are the bank, the others the row: whatever the positions, no two addresses
// share a word. With skew_i[4] the bank is (bank + (row >> skew_i[3:0])) mod Banks: with the bank bits in place
// and a pitch of Banks * 2^shift * odd, runs along a row and down a column, from a multiple of the lanes on,
// hit every bank once. A lane outside low_i <= address < high_i (signed) is not to be accessed. Combinational;
// all zero while enable_i is low.

module sn40l_pmu_lanes #(
  parameter  int unsigned Banks     = 8,
  parameter  int unsigned Depth     = 4096,
  localparam int unsigned Lanes     = sn40l_pkg::Lanes,
  localparam int unsigned AddrWidth = sn40l_pkg::PmuAddrWidth,
  localparam int unsigned BankWidth = $clog2(Banks),
  localparam int unsigned RowWidth  = $clog2(Depth)
) (
  input  logic                            enable_i,
  input  logic [AddrWidth-1:0]            addr_i,
  input  logic [AddrWidth-1:0]            lane_stride_i,
  input  logic [AddrWidth-1:0]            low_i,
  input  logic [AddrWidth-1:0]            high_i,
  input  logic [4:0]                      skew_i,
  input  logic [BankWidth-1:0][4:0]       bank_bit_i,
  output logic [Lanes-1:0]                active_o,
  output logic [Lanes-1:0][BankWidth-1:0] bank_o,
  output logic [Lanes-1:0][RowWidth-1:0]  row_o
);

  localparam int unsigned WordAddr = BankWidth + RowWidth;

  always_comb begin
    logic [AddrWidth-1:0] addr;
    logic [WordAddr-1:0]  mapped;
    logic                 other;

    active_o = '0;
    bank_o   = '0;
    row_o    = '0;
    addr     = addr_i;
    mapped   = '0;
    other    = 1'b0;
    if (enable_i) begin
      for (int unsigned l = 0; l < Lanes; l++) begin
        active_o[l] = $signed(addr) >= $signed(low_i) && $signed(addr) < $signed(high_i);
        mapped      = addr[WordAddr-1:0];
        for (int unsigned i = 0; i < BankWidth; i++) begin
          other                 = mapped[i] ^ (|(mapped & (WordAddr'(1) << bank_bit_i[i])));
          mapped                = mapped ^ ({WordAddr{other}} & ((WordAddr'(1) << bank_bit_i[i])));
          mapped[i]             = mapped[i] ^ other;
        end
        row_o[l]  = mapped[WordAddr-1:BankWidth];
        bank_o[l] = mapped[BankWidth-1:0];
        if (skew_i[4]) bank_o[l] = bank_o[l] + BankWidth'(row_o[l] >> skew_i[3:0]);
        addr = addr + lane_stride_i;
      end
    end
  end

  if (Banks < 2 || Banks != 2 ** BankWidth || Depth < 2 || Depth != 2 ** RowWidth) begin : gen_bad_size
    $error("sn40l_pmu_lanes: Banks and Depth must be powers of two");
  end
  if (WordAddr >= AddrWidth) begin : gen_bad_capacity
    $error("sn40l_pmu_lanes: Banks * Depth must be less than 2^19 words");
  end

endmodule
