// bolt_aead lets no beat of a record to open out before the record's own tag was found right, none of any record
// after a wrong one, and nothing but zeros where no beat is valid; for all sequences of records to seal and to
// open, pauses on both sides and clears. Cipher and hash are those of zero/, so a tag is right where it is zero; beats are 0 or 1.
// A key is loaded at the beginning and after a clear.

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

  // Of the records in the unit, in turn: to seal, or in whole with a right tag. Five fit: two before, two behind, and the last beat of one.
  logic [4:0] may_q, seals_q;
  logic [2:0] comes_at_q, leaves_at_q, beat_q;
  logic       coming_q, bad_q, begins, comes, ends, leaves;

  assign begins = hdr_valid_i && hdr_ready;
  assign comes  = in_valid_i && in_ready;
  assign ends   = comes && beat_q == 3'(Blocks - 1) + 3'(!seals_q[comes_at_q]);
  assign leaves = out_valid && out_ready_i && out_last;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      loaded_q    <= 1'b0;
      may_q       <= '0;
      seals_q     <= '0;
      comes_at_q  <= '0;
      leaves_at_q <= '0;
      beat_q      <= '0;
      coming_q    <= 1'b0;
      bad_q       <= 1'b0;
    end else if (clear_i) begin
      loaded_q    <= 1'b0;
      may_q       <= '0;
      comes_at_q  <= '0;
      leaves_at_q <= '0;
      beat_q      <= '0;
      coming_q    <= 1'b0;
      bad_q       <= bad_q || tag_bad;
    end else begin
      if (load) loaded_q <= 1'b1;
      if (begins) begin
        seals_q[comes_at_q] <= encrypt_i;
        coming_q            <= 1'b1;
      end
      if (comes) beat_q <= ends ? '0 : beat_q + 3'd1;
      if (ends) begin
        may_q[comes_at_q] <= seals_q[comes_at_q] || !in_bit_i;
        comes_at_q        <= (comes_at_q == 3'd4) ? '0 : comes_at_q + 3'd1;
        coming_q          <= 1'b0;
      end
      if (leaves) begin
        may_q[leaves_at_q] <= 1'b0;
        leaves_at_q        <= (leaves_at_q == 3'd4) ? '0 : leaves_at_q + 3'd1;
      end
      bad_q <= bad_q || tag_bad;
    end
  end

  always_comb begin
    if (rst_ni) begin
      assert (!out_valid || may_q[leaves_at_q]);
      assert (!(bad_q || tag_bad) || !(out_valid || tag_ok));
      assert (out_valid || out_data == '0);
      assert (!(begins && coming_q) && !(comes && !coming_q));
    end
  end

endmodule
