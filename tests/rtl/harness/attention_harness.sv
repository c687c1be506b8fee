// A FuseMax array of 2 x 2 elements behind two queues, so that its words can be given without looking.
//
// in_i: {period[127:122], blocks[121:120], stages[119:118], last_rows[117:116], m1[115:112], p1[111:109], 0,
// out_ready[107], start[106], in_valid[105], prog_valid[104], in_data[103:72], prog_data[71:0]}.
// out_o: {busy_1d[127:112], busy_2d[111:96], stall cycles[95:80], cycles[79:48], done[33], valid[32], data[31:0]}.

module attention_harness (
  input  logic         clk_i,
  input  logic         rst_ni,
  input  logic [127:0] in_i,
  output logic [127:0] out_o
);

  logic        prog_room, prog_valid, prog_ready, in_room, in_valid, in_ready, out_valid, busy, done;
  logic [71:0] prog_data;
  logic [31:0] in_data, out_data;
  logic [63:0] cycles, stall_cycles, busy_2d, busy_1d;

  stream_fifo #(.Width(72), .Depth(64)) i_program (
    .clk_i,
    .rst_ni,
    .valid_i(in_i[104]),
    .ready_o(prog_room),
    .data_i (in_i[71:0]),
    .valid_o(prog_valid),
    .ready_i(prog_ready),
    .data_o (prog_data)
  );

  stream_fifo #(.Width(32), .Depth(512)) i_operands (
    .clk_i,
    .rst_ni,
    .valid_i(in_i[105]),
    .ready_o(in_room),
    .data_i (in_i[103:72]),
    .valid_o(in_valid),
    .ready_i(in_ready),
    .data_o (in_data)
  );

  fusemax_attention #(
    .Rows     (2),
    .Cols     (2),
    .E        (6),
    .F        (5),
    .MaxP1    (4),
    .MaxPeriod(32)
  ) i_attention (
    .clk_i,
    .rst_ni,
    .start_i       (in_i[106]),
    .p1_i          (16'(in_i[111:109])),
    .m1_i          (16'(in_i[115:112])),
    .last_rows_i   (16'(in_i[117:116])),
    .period_i      (16'(in_i[127:122])),
    .stages_i      (16'(in_i[119:118])),
    .blocks_i      (16'(in_i[121:120])),
    .busy_o        (busy),
    .done_o        (done),
    .cycles_o      (cycles),
    .stall_cycles_o(stall_cycles),
    .busy_2d_o     (busy_2d),
    .busy_1d_o     (busy_1d),
    .prog_valid_i  (prog_valid),
    .prog_ready_o  (prog_ready),
    .prog_data_i   (prog_data),
    .in_valid_i    (in_valid),
    .in_ready_o    (in_ready),
    .in_data_i     (in_data),
    .out_valid_o   (out_valid),
    .out_ready_i   (in_i[107]),
    .out_data_o    (out_data)
  );

  assign out_o = {busy_1d[15:0], busy_2d[15:0], stall_cycles[15:0], cycles[31:0], 14'd0, done,
                  out_valid & in_i[107], out_data};

endmodule
