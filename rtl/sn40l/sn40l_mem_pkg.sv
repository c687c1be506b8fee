// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Descriptors, segments, completions and registers of the memory side of the SN40L-style fabric (SN40L,
// MICRO 2024, section IV-D; the descriptor's fields are of this project's design).
//
// Addresses are bytes. HBM begins at 0, DDR at bit 38. A descriptor moves n2 x n1 rows of len0 bytes: row
// (i2, i1) begins at offset + i1 * stride1 + i2 * stride2 of its segment, and strides are signed. Every
// row begins a new 32-byte word of the stream; the rest of its last word is zero in a LOAD and left in a
// STORE.

/* verilator lint_off UNUSEDPARAM */  // no block needs all of it

package sn40l_mem_pkg;

  // AXI4 at the memory.
  localparam int unsigned AddrWidth = 40;
  localparam int unsigned DataWidth = 256;
  localparam int unsigned StrbWidth = 32;
  localparam int unsigned IdWidth   = 4;
  localparam int unsigned DdrBit    = 38;
  localparam int unsigned BurstBeats = 16;  // a burst stays within an aligned piece of 512 B

  localparam logic [1:0] RespOkay   = 2'd0;
  localparam logic [1:0] RespSlvErr = 2'd2;
  localparam logic [1:0] RespDecErr = 2'd3;

  // Sizes of descriptors and segments.
  localparam int unsigned OffsetWidth  = 38;
  localparam int unsigned LenWidth     = 32;
  localparam int unsigned CountWidth   = 16;
  localparam int unsigned StrideWidth  = 32;
  localparam int unsigned SegmentWidth = 4;   // number of a segment
  localparam int unsigned ExpertWidth  = 12;  // all ones: of no expert, open to every descriptor
  localparam int unsigned DmaTokens    = 3;   // counters that descriptors wait on, and wires they post on
  localparam int unsigned TokenWidth   = 2;

  localparam logic [ExpertWidth-1:0] ExpertAny = '1;

  // Widths of the structures below.
  localparam int unsigned DescriptorBits  = 330;
  localparam int unsigned SegmentBits     = 91;
  localparam int unsigned CompletionBits  = 73;
  localparam int unsigned FaultBits       = 119;
  localparam int unsigned AgcuControlBits = 16;

  localparam logic [1:0] OpLoad  = 2'd0;  // memory to stream
  localparam logic [1:0] OpStore = 2'd1;  // stream to memory
  localparam logic [1:0] OpCopy  = 2'd2;  // memory to memory; overlapping regions: undefined
  localparam logic [1:0] OpFill  = 2'd3;  // a 32-bit pattern to memory

  typedef struct packed {
    logic [1:0]             op;
    logic                   last;         // handed on in the completion
    logic                   irq;          // the completion raises irq_o
    logic                   wait_en;      // begins when counter wait_token is above 0, and takes 1 from it
    logic [TokenWidth-1:0]  wait_token;
    logic                   post_en;      // pulses wire post_token when all is done, without an error
    logic [TokenWidth-1:0]  post_token;
    logic [ExpertWidth-1:0] expert;
    logic [SegmentWidth-1:0] src_segment;
    logic [SegmentWidth-1:0] dst_segment;
    logic [OffsetWidth-1:0] src_offset;
    logic [OffsetWidth-1:0] dst_offset;
    logic [LenWidth-1:0]    len0;         // bytes of a row, at least 1
    logic [CountWidth-1:0]  n1;           // at least 1
    logic [CountWidth-1:0]  n2;           // at least 1
    logic [StrideWidth-1:0] src_stride1;  // signed, bytes
    logic [StrideWidth-1:0] src_stride2;
    logic [StrideWidth-1:0] dst_stride1;
    logic [StrideWidth-1:0] dst_stride2;
    logic [31:0]            pattern;      // of FILL, every four bytes of a row from its first
  } descriptor_t;

  typedef struct packed {
    logic                   tier;   // 0 HBM, 1 DDR
    logic                   read;   // may be read
    logic                   write;  // may be written
    logic [ExpertWidth-1:0] expert; // whose it is
    logic [OffsetWidth-1:0] base;   // in its tier
    logic [OffsetWidth-1:0] limit;  // its size; 0: no segment
  } segment_t;

  // What became of a descriptor; the first error counts.
  localparam int unsigned CodeWidth = 4;
  localparam logic [CodeWidth-1:0] CodeOkay      = 4'd0;
  localparam logic [CodeWidth-1:0] CodeShape     = 4'd1;  // len0, n1 or n2 is 0
  localparam logic [CodeWidth-1:0] CodeBounds    = 4'd2;  // a row leaves its segment; no traffic
  localparam logic [CodeWidth-1:0] CodePermit    = 4'd3;  // it may not be read, or written; no traffic
  localparam logic [CodeWidth-1:0] CodeExpert    = 4'd4;  // it is another expert's; no traffic
  localparam logic [CodeWidth-1:0] CodeReadSlv   = 4'd5;  // SLVERR to a beat read: an uncorrectable word
  localparam logic [CodeWidth-1:0] CodeReadDec   = 4'd6;  // DECERR
  localparam logic [CodeWidth-1:0] CodeWriteSlv  = 4'd7;
  localparam logic [CodeWidth-1:0] CodeWriteDec  = 4'd8;
  localparam logic [CodeWidth-1:0] CodePoison    = 4'd9;  // STORE: a word came poisoned, it was not written
  localparam logic [CodeWidth-1:0] CodeAbort     = 4'd10; // abort_i came before its end

  typedef struct packed {
    logic [CodeWidth-1:0]   code;
    logic                   last;
    logic [ExpertWidth-1:0] expert;
    logic [15:0]            errors;   // beats read and bursts written with an error, poisoned words
    logic [AddrWidth-1:0]   address;  // of the first error: the beat read, the burst written
  } completion_t;

  // Faults of a memory channel.
  localparam logic [1:0] FaultFlip   = 2'd0;  // flips bits of a codeword that is read
  localparam logic [1:0] FaultSlvErr = 2'd1;  // answers SLVERR
  localparam logic [1:0] FaultDecErr = 2'd2;  // answers DECERR
  localparam int unsigned CodewordWidth = 72; // 64 data bits, 8 check bits above

  typedef struct packed {
    logic [1:0]               kind;
    logic                     on_read;
    logic                     on_write;
    logic                     once;     // gone after it was met once
    logic [AddrWidth-1:0]     address;  // of any byte of the beat
    logic [1:0]               word;     // FaultFlip: which 64 bits of the beat
    logic [CodewordWidth-1:0] mask;     // FaultFlip: bits flipped
  } fault_t;

  // Registers of an AGCU (32-bit words).
  // Program: {trips[31:16], descriptors[7:0]}, the list 0.. is run so often.
  // Unit: packets of a loaded unit [15:0]. Credits: depth of destination queue d of the load flow in
  // [8*d+7:8*d], 0: none. Buffers: units of room at reader r of the stage buffer in [16*r+15:16*r], 0: not
  // awaited.
  // Segment: base[31:0]; {tier[31], write[29], read[28], expert[27:16], base[37:32] in [5:0]}; limit[31:0];
  // limit[37:32].
  localparam logic [11:0] AgcuControl    = 12'd0;    // agcu_control_t
  localparam logic [11:0] AgcuProgram    = 12'd1;
  localparam logic [11:0] AgcuUnit       = 12'd2;
  localparam logic [11:0] AgcuCredits    = 12'd3;
  localparam logic [11:0] AgcuBuffers    = 12'd4;
  localparam logic [11:0] AgcuSegment    = 12'd64;   // + 4 * segment + word
  localparam logic [11:0] AgcuDescriptor = 12'd256;  // + 16 * descriptor + AgcuD*

  typedef struct packed {
    logic [5:0] store_flow;    // [15:10]
    logic       store_plane;   // [9]
    logic       store_enable;  // [8]
    logic [5:0] load_flow;     // [7:2]
    logic       load_plane;    // [1]
    logic       load_enable;   // [0]
  } agcu_control_t;

  // Words of a descriptor.
  // Head: {expert[27:16], post_token[14:13], post_en[12], wait_token[10:9], wait_en[8], irq[6], last[5],
  // op[1:0]}.
  // Segments: {dst_offset[37:32] in [29:24], src_offset[37:32] in [21:16], dst_segment[11:8],
  // src_segment[3:0]}.
  localparam logic [3:0] AgcuDHead       = 4'd0;
  localparam logic [3:0] AgcuDSegments   = 4'd1;
  localparam logic [3:0] AgcuDSrcOffset  = 4'd2;  // [31:0]
  localparam logic [3:0] AgcuDDstOffset  = 4'd3;
  localparam logic [3:0] AgcuDLen        = 4'd4;  // len0
  localparam logic [3:0] AgcuDCounts     = 4'd5;  // {n2[31:16], n1[15:0]}
  localparam logic [3:0] AgcuDSrcStride1 = 4'd6;
  localparam logic [3:0] AgcuDSrcStride2 = 4'd7;
  localparam logic [3:0] AgcuDDstStride1 = 4'd8;
  localparam logic [3:0] AgcuDDstStride2 = 4'd9;
  localparam logic [3:0] AgcuDPattern    = 4'd10;

  // Tokens of an AGCU. In: packet credit of destination d at d; unit read by reader r of the stage buffer at
  // 3 + r; counter t that descriptors wait on at 5 + t.
  // Out: a packet of the store flow was popped (its sender's packet credit) at 0; the last packet of a loaded
  // unit was sent at 1; the last packet of a stored unit was popped at 2; posted by descriptors at 5 + t.
  localparam int unsigned AgcuTokenRead   = 3;
  localparam int unsigned AgcuTokenWait   = 5;
  localparam int unsigned AgcuTokenPopped = 0;
  localparam int unsigned AgcuTokenLoaded = 1;
  localparam int unsigned AgcuTokenStored = 2;
  localparam int unsigned AgcuTokenPost   = 5;
  localparam int unsigned AgcuStoreDepth  = 32;  // packets of the store queue: its sender's packet credits

  // Ports of sn40l_agcu beside a unit's (sn40l_pkg): an AXI4 master axi_* (INCR, size 5, at most BurstBeats),
  // abort_i (level), irq_o (pulse), completion_valid_o (pulse) with completion_o, error_o (level: one failed
  // since start_i) with error_completion_o, and perf_select_i[2:0] -> perf_o[31:0].

endpackage
