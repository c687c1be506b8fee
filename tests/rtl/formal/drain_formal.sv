// From any load on, with nothing else loaded before the group is through, every output comes in its cycle.

module drain_formal #(
  parameter int unsigned Rows = 3
) (
  input logic clk_i,
  input logic load_i
);

  localparam int unsigned RowWidth = (Rows > 1) ? $clog2(Rows) : 1;

  logic rst_ni = 1'b0;
  always_ff @(posedge clk_i) rst_ni <= 1'b1;

  logic                scale_load, scale_step, shift, total_valid, product_valid, bias_valid, result_valid;
  logic [2:0]          bit_index;
  logic [RowWidth-1:0] total_row, bias_row, result_row;

  bitmod_drain #(.Rows(Rows)) i_drain (
    .clk_i,
    .rst_ni,
    .load_i,
    .scale_load_o   (scale_load),
    .scale_step_o   (scale_step),
    .bit_o          (bit_index),
    .shift_o        (shift),
    .total_valid_o  (total_valid),
    .total_row_o    (total_row),
    .product_valid_o(product_valid),
    .bias_valid_o   (bias_valid),
    .bias_row_o     (bias_row),
    .result_valid_o (result_valid),
    .result_row_o   (result_row)
  );

  // Cycles since the last load and since the one before it, 63: long ago.
  logic [5:0] age_q, old_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      age_q <= '1;
      old_q <= '1;
    end else begin
      if (load_i) begin
        age_q <= 6'd1;
        old_q <= (age_q == '1) ? '1 : age_q + 6'd1;
      end else begin
        if (age_q != '1) age_q <= age_q + 6'd1;
        if (old_q != '1) old_q <= old_q + 6'd1;
      end
    end
  end

  function automatic logic in_rows(input logic [5:0] age, input logic [5:0] from);
    in_rows = age >= from && age < from + 6'(Rows);
  endfunction

  always_comb begin
    if (rst_ni) begin
      assume (!load_i || age_q >= 6'(Rows + 8));
      assert (scale_load == load_i);
      assert (scale_step == (age_q >= 6'd1 && age_q <= 6'd7));
      if (scale_step) assert (bit_index == 3'(6'd7 - age_q));
      assert (shift == in_rows(age_q, 6'd8));
      assert (total_valid == (in_rows(age_q, 6'd9) || in_rows(old_q, 6'd9)));
      if (in_rows(age_q, 6'd9)) assert (total_row == RowWidth'(age_q - 6'd9));
      if (in_rows(old_q, 6'd9)) assert (total_row == RowWidth'(old_q - 6'd9));
      assert (product_valid == (in_rows(age_q, 6'd10) || in_rows(old_q, 6'd10)));
      assert (bias_valid == (in_rows(age_q, 6'd11) || in_rows(old_q, 6'd11)));
      if (in_rows(age_q, 6'd11)) assert (bias_row == RowWidth'(age_q - 6'd11));
      if (in_rows(old_q, 6'd11)) assert (bias_row == RowWidth'(old_q - 6'd11));
      assert (result_valid == (in_rows(age_q, 6'd12) || in_rows(old_q, 6'd12)));
      if (in_rows(age_q, 6'd12)) assert (result_row == RowWidth'(age_q - 6'd12));
      if (in_rows(old_q, 6'd12)) assert (result_row == RowWidth'(old_q - 6'd12));
    end
  end

endmodule
