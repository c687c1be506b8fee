// Rows of tiles that bring all their rows, each row of tiles a cycle after the one above, one tile of outputs after
// another: every row leaves in token order, with its own word, one cycle after the last row could have come.

module merge_formal #(
  parameter int unsigned Rows     = 2,
  parameter int unsigned RowTiles = 2
) (
  input logic clk_i,
  input logic start_i
);

  localparam int unsigned AllRows = Rows * RowTiles;

  logic rst_ni = 1'b0;
  always_ff @(posedge clk_i) rst_ni <= 1'b1;

  logic [RowTiles-1:0]            valid, poison;
  logic [RowTiles-1:0][0:0][31:0] data;
  logic                           out_valid, out_poison;
  logic [31:0]                    out_data;
  logic [$clog2(AllRows)-1:0]     out_row;

  // Cycles since the tile of outputs began; its number, told by the words.
  logic [4:0] age_q;
  logic [1:0] tile_q;
  logic [4:0] left_q;   // rows still to leave, of all tiles begun
  logic [1:0] leaving_q;
  logic [3:0] row_q;

  for (genvar i = 0; i < RowTiles; i++) begin : gen_row
    logic [4:0] place;
    assign place     = age_q - 5'(i);
    assign valid[i]  = age_q != '1 && age_q >= 5'(i) && place < 5'(Rows);
    assign poison[i] = place[0];
    assign data[i]   = {26'd0, tile_q, 4'(5'(i * Rows) + place)};
  end

  bitmod_merge #(.Rows(Rows), .Cols(1), .RowTiles(RowTiles)) i_merge (
    .clk_i,
    .rst_ni,
    .valid_i (valid),
    .data_i  (data),
    .poison_i(poison),
    .valid_o (out_valid),
    .row_o   (out_row),
    .data_o  (out_data),
    .poison_o(out_poison)
  );

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      age_q     <= '1;
      tile_q    <= '0;
      left_q    <= '0;
      leaving_q <= '0;
      row_q     <= '0;
    end else begin
      if (start_i) begin
        age_q  <= '0;
        tile_q <= tile_q + 2'd1;
      end else if (age_q != '1) begin
        age_q <= age_q + 5'd1;
      end
      left_q <= left_q + (start_i ? 5'(AllRows) : 5'd0) - 5'(out_valid);
      if (out_valid) begin
        row_q <= (row_q == 4'(AllRows - 1)) ? '0 : row_q + 4'd1;
        if (row_q == 4'(AllRows - 1)) leaving_q <= leaving_q + 2'd1;
      end
    end
  end

  always_comb begin
    if (rst_ni) begin
      assume (!start_i || age_q >= 5'(AllRows + RowTiles));
      if (out_valid) begin
        assert (left_q != '0);
        assert (out_row == row_q[$clog2(AllRows)-1:0]);
        assert (out_data == {26'd0, leaving_q + 2'd1, row_q});
        assert (out_poison == 1'((row_q % 4'(Rows)) & 4'd1));
      end
      // None is held back: the last row of a tile leaves when it can.
      if (age_q != '1 && age_q > 5'(AllRows + RowTiles)) assert (left_q == '0);
    end
  end

endmodule
