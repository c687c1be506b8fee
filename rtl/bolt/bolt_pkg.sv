// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Widths, operations, structures and fault codes of BOLT, the oblivious map (arXiv 2509.01742; the
// per-access procedure and everything below the abstract are a reconstruction of this project).
//
// Numbers of bins, frames and buckets are parameters of the modules: Bins, HbmBins (bins 0..HbmBins-1
// live in HBM, the others are pages of the host), Frames, Buckets, ValueBytes. The widths here hold the
// largest of them.

/* verilator lint_off UNUSEDPARAM */  // no block needs all of it

package bolt_pkg;

  localparam int unsigned KeyWidth     = 32;
  localparam int unsigned BinWidth     = 24;
  localparam int unsigned FrameWidth   = 24;  // of a value in HBM; of a stashed key, its place in the stash
  localparam int unsigned BucketWidth  = 24;
  localparam int unsigned LoadWidth    = 8;
  localparam int unsigned CounterWidth = 64;  // writes of a page; with the bin, the nonce of its record
  localparam int unsigned SeqWidth     = 64;  // of command and response packets
  localparam int unsigned Slots        = 16;  // Z: places of a page, steps of a walk
  localparam int unsigned SlotWidth    = 4;
  localparam int unsigned CountWidth   = 5;   // 0..Slots
  localparam int unsigned Ways         = 4;   // entries of a bucket
  localparam int unsigned WayWidth     = 2;
  localparam int unsigned StashPlaces  = 32;
  localparam int unsigned CamPlaces    = 16;
  localparam int unsigned WordWidth    = 64;  // of the DRBG
  localparam int unsigned DrawWords    = 4;   // an access draws: fresh pair 0, 1; remap pair 2, 3
  localparam int unsigned AxiAddrWidth = 64;
  localparam int unsigned AxiDataWidth = 512;
  localparam int unsigned AxiStrbWidth = AxiDataWidth / 8;
  localparam int unsigned BeatWidth    = 128;  // of an AES block

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
  typedef enum logic [2:0] {
    StateFree    = 3'd0,  // no key in this way
    StateHbm     = 3'd1,  // frame of a bin in HBM
    StatePending = 3'd2,  // frame, in the pending list of a host bin
    StateHost    = 3'd3,  // page of the host
    StateStash   = 3'd4   // both candidate bins were full
  } state_e;

  typedef struct packed {
    logic [BinWidth-1:0] x;
    logic [BinWidth-1:0] y;  // never x
  } pair_t;

  // A way of a position map bucket: 128 bits, four to a 512-bit word of HBM, way 0 lowest. An entry has the
  // lower ones; the others are zero.
  localparam int unsigned EntryBits   = 128;
  localparam int unsigned EntryFields = 4 + FrameWidth + 2 * BinWidth + KeyWidth;
  localparam int unsigned BucketBits  = Ways * EntryBits;

  typedef struct packed {
    logic                  which;  // 0: the value is of bin pair.x, 1: of pair.y
    state_e                state;
    logic [FrameWidth-1:0] frame;
    pair_t                 pair;
    logic [KeyWidth-1:0]   key;
  } entry_t;

  // A step of a walk of a pending list.
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
    logic [FrameWidth-1:0]        place;
    logic                         keep;       // a value is stored: in the new frame, or the new place
    logic                         to_stash;
    logic [FrameWidth-1:0]        new_frame;  // the scratch frame where nothing is stored in one
    logic [FrameWidth-1:0]        new_place;
  } access_t;

  localparam int unsigned PendingBits = 1 + KeyWidth + FrameWidth;
  localparam int unsigned AccessBits  = 9 + KeyWidth + 2 * BinWidth + 2 * CounterWidth + 4 * FrameWidth;

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
    FaultState    = 4'd9,   // metadata contradict one another: a key of the map is in neither page
    FaultSilence  = 4'd10   // the host's memory owes a beat or an answer for HostTimeout cycles
  } fault_e;

  // HBM, two client ports, each: req_valid, req_ready, req_we, req_addr, req_wdata; rsp_valid, rsp_rdata.
  // A request is taken at valid and ready. Reads are answered in order, one word each, no backpressure;
  // writes are not answered; a read after a write of the same word gives the written one.
  // Port pm: word = bucket, BucketBits wide. Port frame: word = value of a frame, 8 * ValueBytes wide;
  // frame Frames is the scratch one of accesses that keep no value.

  // Page of host bin b: PageBytes at host_base + (b - HbmBins) * PageBytes.
  function automatic int unsigned page_bytes(int unsigned value_bytes);
    page_bytes = 2 ** $clog2(Slots * (4 + value_bytes) + 24);
  endfunction

endpackage
