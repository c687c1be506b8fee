// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Values in HBM that an access needs: of everything that waits for its two pages, and its key's own.
//
// start_i begins 2 * Slots + 1 reads, one a cycle, in a fixed order; where there is no frame the scratch frame
// is read and the value is zero. done_o rises Deadline cycles after the last one and falls with the next
// start_i; values stay meanwhile. write_i writes one frame, not in the cycles of the reads. HBM serves in
// order, so a write is seen by the next access's reads.

module bolt_frame_io #(
  parameter  int unsigned Frames      = 2304,
  parameter  int unsigned ValueBytes  = 16,
  parameter  int unsigned HbmDeadline = 128,
  localparam int unsigned ValueBits   = 8 * ValueBytes
) (
  input  logic                                          clk_i,
  input  logic                                          rst_ni,
  input  logic                                          clear_i,
  input  logic                                          start_i,
  input  bolt_pkg::pending_t [2*bolt_pkg::Slots-1:0]    pending_i,  // stable until done_o
  input  logic                                          framed_i,
  input  logic [bolt_pkg::FrameWidth-1:0]               frame_i,
  output logic                                          done_o,
  output logic [2*bolt_pkg::Slots-1:0][ValueBits-1:0]   values_o,
  output logic [ValueBits-1:0]                          value_o,    // of frame_i
  input  logic                                          write_i,
  input  logic [bolt_pkg::FrameWidth-1:0]               wframe_i,
  input  logic [ValueBits-1:0]                          wvalue_i,
  output logic                                          late_o,
  // HBM: a word is a value
  output logic                                          hbm_req_valid_o,
  input  logic                                          hbm_req_ready_i,
  output logic                                          hbm_req_we_o,
  output logic [bolt_pkg::FrameWidth-1:0]               hbm_req_addr_o,
  output logic [ValueBits-1:0]                          hbm_req_wdata_o,
  input  logic                                          hbm_rsp_valid_i,
  input  logic [ValueBits-1:0]                          hbm_rsp_rdata_i
);

  localparam int unsigned Slots = bolt_pkg::Slots;
  localparam int unsigned Reads = 2 * Slots + 1;
  localparam int unsigned Count = $clog2(Reads + 1);
  localparam logic [bolt_pkg::FrameWidth-1:0] Scratch = bolt_pkg::FrameWidth'(Frames);

  logic [Count-1:0]                ask_q, come_q;
  logic                            asking_q, asks, come, used;
  logic [Reads-1:0][ValueBits-1:0] values_q;
  logic [Reads-1:0]                valids;
  logic [Reads-1:0][bolt_pkg::FrameWidth-1:0] frames;
  logic [ValueBits-1:0]            word;

  for (genvar i = 0; i < Reads - 1; i++) begin : gen_waiting
    /* verilator lint_off UNUSEDSIGNAL */  // the key
    bolt_pkg::pending_t waiting;
    /* verilator lint_on UNUSEDSIGNAL */
    assign waiting   = pending_i[i];
    assign valids[i] = waiting.valid;
    assign frames[i] = waiting.frame;
  end
  assign valids[Reads-1] = framed_i;
  assign frames[Reads-1] = frame_i;

  assign asks = asking_q && !clear_i;
  assign used = valids[come_q];

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      ask_q    <= '0;
      come_q   <= Count'(Reads);
      asking_q <= 1'b0;
      values_q <= '0;
    end else if (clear_i) begin
      asking_q <= 1'b0;
      values_q <= '0;
    end else begin
      if (start_i) begin
        ask_q    <= '0;
        come_q   <= '0;
        asking_q <= 1'b1;
      end else if (asking_q) begin
        ask_q    <= ask_q + Count'(1);
        asking_q <= ask_q != Count'(Reads - 1);
      end
      if (come) begin
        come_q   <= come_q + Count'(1);
        values_q <= {used ? word : '0, values_q[Reads-1:1]};
      end
    end
  end

  bolt_hbm_port #(
    .Width    (ValueBits),
    .AddrWidth(bolt_pkg::FrameWidth),
    .Deadline (HbmDeadline),
    .Depth    (64)
  ) i_port (
    .clk_i,
    .rst_ni,
    .clear_i,
    .req_i  (asks || (write_i && !clear_i)),
    .we_i   (write_i),
    .addr_i (write_i ? wframe_i : valids[ask_q] ? frames[ask_q] : Scratch),
    .wdata_i(wvalue_i),
    .valid_o(come),
    .rdata_o(word),
    .late_o,
    .hbm_req_valid_o,
    .hbm_req_ready_i,
    .hbm_req_we_o,
    .hbm_req_addr_o,
    .hbm_req_wdata_o,
    .hbm_rsp_valid_i,
    .hbm_rsp_rdata_i
  );

  assign done_o   = come_q == Count'(Reads);
  assign values_o = values_q[Reads-2:0];
  assign value_o  = values_q[Reads-1];

endmodule
