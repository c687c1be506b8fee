// An element of the 2D array and a lane of the 1D row, for vector tests; in_i[127] says which of them is meant.
//
// Element, in_i: {0, en[78], op[77:64], h[63:32], v[31:0]}; out_o: {op[77:64], h[63:32], v[31:0]}.
// Lane, in_i: {1, en[76], up lane[75:71], down word[70:39], down[38:33], address[32:24], op[23:0]}; out_o: {quotient
// valid[48], quotient[47:32], up word[31:0]}. State of 16 words.

module fusemax_elements_harness (
  input  logic         clk_i,
  input  logic         rst_ni,
  input  logic [127:0] in_i,
  output logic [127:0] out_o
);

  fusemax_pkg::pe_op_t   pe_op;
  fusemax_pkg::lane_op_t lane_op;
  fusemax_pkg::down_t    down;
  logic [3:0]            addr;
  logic [31:0]           h, v, up_word;
  logic [15:0]           av;
  logic                  av_valid, lane;

  assign lane = in_i[127];

  fusemax_pe i_pe (
    .clk_i,
    .rst_ni,
    .en_i(in_i[78] & ~lane),
    .op_i(in_i[77:64]),
    .h_i (in_i[63:32]),
    .v_i (in_i[31:0]),
    .op_o(pe_op),
    .h_o (h),
    .v_o (v)
  );

  fusemax_lane #(.StateDepth(16)) i_lane (
    .clk_i,
    .rst_ni,
    .en_i       (in_i[76] & lane),
    .op_i       (in_i[23:0]),
    .addr_i     (in_i[27:24]),
    .down_i     (in_i[38:33]),
    .op_o       (lane_op),
    .addr_o     (addr),
    .down_o     (down),
    .down_word_i(in_i[70:39]),
    .up_lane_i  (in_i[75:71]),
    .up_word_o  (up_word),
    .av_valid_o (av_valid),
    .av_o       (av)
  );

  assign out_o = lane ? {79'd0, av_valid, av, up_word} : {50'd0, pe_op, h, v};

endmodule
