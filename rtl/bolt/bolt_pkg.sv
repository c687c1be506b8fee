// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Widths, operations, structures and fault codes of BOLT, the oblivious map (arXiv 2509.01742; the
// per-access procedure and everything below the abstract are a reconstruction of this project).
//
// Numbers of bins, frames and buckets are parameters of the modules: Bins, HbmBins (bins 0..HbmBins-1
// live in HBM, the others are pages of the host), Frames, Buckets, ValueBytes. The widths here hold the
// largest of them and are those of what an access carries along; units that store have exact ones.

/* verilator lint_off UNUSEDPARAM */  // no block needs all of it

package bolt_pkg;

  localparam int unsigned KeyWidth     = 32;
  localparam int unsigned BinWidth     = 24;
  localparam int unsigned FrameWidth   = 24;
  localparam int unsigned BucketWidth  = 24;
  localparam int unsigned CounterWidth = 64;  // writes of a page; with the bin, the nonce of its record
  localparam int unsigned Slots        = 16;  // Z: places of a page, steps of a walk
  localparam int unsigned Ways         = 4;   // entries of a bucket of the position map
  localparam int unsigned StashEntries = 32;
  localparam int unsigned StashWidth   = 5;
  localparam int unsigned CamEntries   = 16;
  localparam int unsigned WordWidth    = 64;  // of the DRBG
  localparam int unsigned DrawWords    = 4;   // an access draws: fresh pair 0, 1; remap pair 2, 3
  localparam int unsigned AxiAddrWidth = 64;
  localparam int unsigned AxiDataWidth = 512;
  localparam int unsigned BlockWidth   = 128;  // of AES

  // Operations, as in a command packet.
  typedef enum logic [1:0] {
    OpNop = 2'd0,
    OpGet = 2'd1,
    OpPut = 2'd2,
    OpDel = 2'd3
  } op_e;

  // Byte 8 of a response packet; the first two are the artifact's ACK and ERR. Of a NOP: absent.
  localparam logic [7:0] StatusPresent = 8'h10;  // the key was there: GET hit, PUT replaced, DEL removed
  localparam logic [7:0] StatusAbsent  = 8'h11;
  localparam logic [7:0] StatusFault   = 8'hff;

  // Where a key's value is. The pending list of a host bin holds what its page gets at its next visit; a
  // flush marks nothing here, so a key of a host bin is StatePending for good and the walk of its list
  // tells whether it waits there still. StateHost is taken as StatePending.
  typedef enum logic [1:0] {
    StateHbm     = 2'd0,  // frame of a bin in HBM
    StatePending = 2'd1,  // frame in the pending list of a host bin, or its page
    StateHost    = 2'd2,
    StateStash   = 2'd3   // both candidate bins were full; the frame is the place in the stash
  } state_e;

  typedef struct packed {
    logic [BinWidth-1:0] x;
    logic [BinWidth-1:0] y;  // never x
  } pair_t;

  // A step of the walk of a pending list.
  typedef struct packed {
    logic                  valid;
    logic [KeyWidth-1:0]   key;
    logic [FrameWidth-1:0] frame;
  } pending_t;

  // What the front hands to the value stage, beside its value and the 2 * Slots steps of its two walks.
  // Member 0 of a pair of fields is of bin x, member 1 of bin y.
  typedef struct packed {
    op_e                          op;
    logic [KeyWidth-1:0]          key;
    logic                         hit;
    logic [1:0]                   host;       // the bin is a page of the host
    logic [1:0][BinWidth-1:0]     bin;
    logic [1:0][CounterWidth-1:0] counters;   // of the pages as they are read
    logic                         framed;     // the value is in this frame
    logic [FrameWidth-1:0]        frame;
    logic                         stashed;    // the value is in this place of the stash
    logic [StashWidth-1:0]        place;
    logic                         keep;       // a value is stored: in the new frame, or the new place
    logic                         to_stash;
    logic [FrameWidth-1:0]        new_frame;  // the scratch frame where nothing is stored in one
    logic [StashWidth-1:0]        new_place;
  } access_t;

  // Reasons of a FAULT; the first one stays.
  typedef enum logic [3:0] {
    FaultNone     = 4'd0,
    FaultPageTag  = 4'd1,   // a page is not what was last written there
    FaultCommand  = 4'd2,   // tag, sequence number or operation of a command packet
    FaultAxiRead  = 4'd3,   // error response, or a burst of another length
    FaultAxiWrite = 4'd4,
    FaultDeadline = 4'd5,   // HBM was later than HbmDeadline
    FaultBuckets  = 4'd6,   // both buckets and the CAM are full
    FaultFrames   = 4'd7,   // no free frame
    FaultStash    = 4'd8,   // no free place in the stash
    FaultState    = 4'd9    // metadata contradict one another: a key of the map is in neither page
  } fault_e;

  // Page of host bin b: PageBytes at host_base + (b - HbmBins) * PageBytes.
  function automatic int unsigned page_bytes(int unsigned value_bytes);
    page_bytes = 2 ** $clog2(Slots * (4 + value_bytes) + 24);
  endfunction

endpackage
