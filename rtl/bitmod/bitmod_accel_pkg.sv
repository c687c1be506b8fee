// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// What software sees of bitmod_accel: identification, register addresses, error codes.

/* verilator lint_off UNUSEDPARAM */  // bitmod_linear alone uses none of them

package bitmod_accel_pkg;

  localparam logic [31:0] Id      = 32'h424d_4f44;  // "BMOD"
  localparam logic [31:0] Version = 32'h0001_0001;

  // Byte addresses
  localparam logic [7:0] RegId             = 8'h00;
  localparam logic [7:0] RegVersion        = 8'h04;
  localparam logic [7:0] RegArray          = 8'h08;
  localparam logic [7:0] RegBuffers        = 8'h0c;
  localparam logic [7:0] RegControl        = 8'h10;
  localparam logic [7:0] RegStatus         = 8'h14;
  localparam logic [7:0] RegError          = 8'h18;
  localparam logic [7:0] RegIrqEnable      = 8'h1c;
  localparam logic [7:0] RegBaseLow        = 8'h20;
  localparam logic [7:0] RegBaseHigh       = 8'h24;
  localparam logic [7:0] RegCount          = 8'h28;
  localparam logic [7:0] RegProgress       = 8'h2c;
  localparam logic [7:0] RegCyclesLow      = 8'h30;
  localparam logic [7:0] RegCyclesHigh     = 8'h34;
  localparam logic [7:0] RegCoreCyclesLow  = 8'h38;
  localparam logic [7:0] RegCoreCyclesHigh = 8'h3c;
  localparam logic [7:0] RegTiles          = 8'h40;
  localparam logic [7:0] RegLanes          = 8'h44;

  localparam int unsigned ErrorWidth       = 3;

  localparam logic [ErrorWidth-1:0] ErrorNone        = 3'd0;
  localparam logic [ErrorWidth-1:0] ErrorStart       = 3'd1;  // no descriptors, or base no multiple of 64
  localparam logic [ErrorWidth-1:0] ErrorFetch       = 3'd2;  // error response to a descriptor read
  localparam logic [ErrorWidth-1:0] ErrorDescriptor  = 3'd3;  // a descriptor that cannot be carried out
  localparam logic [ErrorWidth-1:0] ErrorActivations = 3'd4;  // error response to an activation read
  localparam logic [ErrorWidth-1:0] ErrorWeights     = 3'd5;  // error response to a weight read
  localparam logic [ErrorWidth-1:0] ErrorResults     = 3'd6;  // error response to a result write
  localparam logic [ErrorWidth-1:0] ErrorAborted     = 3'd7;  // software asked for it

  // A descriptor, 64 bytes.
  localparam int unsigned DescriptorWords = 8;
  localparam int unsigned DescriptorWidth = 64 * DescriptorWords;
  localparam int unsigned CountWidth      = 40;  // words of a transfer

endpackage

/* verilator lint_on UNUSEDPARAM */
