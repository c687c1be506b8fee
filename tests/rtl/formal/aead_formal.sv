// bolt_aead lets no beat of a record to open out before the record's own tag was found right, none of any
// record after a wrong one, and nothing but zeros where no beat is valid; for all sequences of records to
// seal and to open, pauses on both sides and clears. Cipher and hash are those of zero/, so a tag is
// right where it is zero; beats are 0 or 1. A key is loaded at the beginning and after a clear.

module aead_formal #(
  parameter int unsigned Blocks = 1
) (
  input logic         clk_i,
  input logic         rst_ni,
  input logic         clear_i,
  input logic         load_i,
  input logic         hdr_valid_i,
  input logic         encrypt_i,
  input logic         in_valid_i,
  input logic         in_bit_i,
  input logic         out_ready_i
);

  logic         loaded_q, load, hdr_ready, in_ready, out_valid, out_last, tag_ok, tag_bad;
  logic [127:0] out_data;

  assign load = load_i && !loaded_q && !clear_i;

  bolt_aead #(.Blocks(Blocks), .AesUnits(10), .Digit(128), .Aad(1'b0)) i_aead (
    .clk_i, .rst_ni, .clear_i,
    .load_i     (load),
    .key_i      (128'd0),
    .hdr_valid_i, .hdr_ready_o(hdr_ready), .encrypt_i,
    .nonce_i    (96'd0),
    .in_valid_i, .in_ready_o(in_ready), .in_data_i({127'd0, in_bit_i}),
    .out_valid_o(out_valid), .out_ready_i, .out_data_o(out_data), .out_last_o(out_last),
    .tag_ok_o   (tag_ok), .tag_bad_o(tag_bad)
  );

  // Records that may leave: to seal, or with a right tag, in whole and with no wrong one before.
  logic [2:0] may_q;
  logic [1:0] beat_q;  // of the one that comes
  logic       seals_q, wrong_q, bad_q, begins, comes, ends, leaves;

  assign begins = hdr_valid_i && hdr_ready;
  assign comes  = in_valid_i && in_ready;
  assign ends   = comes && beat_q == 2'(Blocks - 1) + 2'(!seals_q);
  assign leaves = out_valid && out_ready_i && out_last;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      loaded_q <= 1'b0;
      may_q    <= '0;
      beat_q   <= '0;
      seals_q  <= 1'b0;
      wrong_q  <= 1'b0;
      bad_q    <= 1'b0;
    end else if (clear_i) begin
      loaded_q <= 1'b0;
      may_q    <= '0;
      beat_q   <= '0;
      wrong_q  <= 1'b0;
      bad_q    <= bad_q || tag_bad;
    end else begin
      if (load) loaded_q <= 1'b1;
      if (begins) seals_q <= encrypt_i;
      if (comes) beat_q <= ends ? '0 : beat_q + 2'd1;
      if (ends && !seals_q && in_bit_i) wrong_q <= 1'b1;
      may_q <= may_q + 3'(ends && !wrong_q && (seals_q || !in_bit_i)) - 3'(leaves);
      bad_q <= bad_q || tag_bad;
    end
  end

  always_comb begin
    if (rst_ni) begin
      assert (!out_valid || may_q != '0);
      assert (!(bad_q || tag_bad) || !(out_valid || tag_ok));
      assert (out_valid || out_data == '0);
    end
  end

endmodule
