// bitmod_step_pkg::drop against the definition: the nearest multiple of the power of two, the even one of two as near.

module shift_formal (
  input logic signed [14:0] value_i,
  input logic        [5:0]  shift_i
);

  logic signed [15:0] nearest, floor;

  assign nearest = $signed(bitmod_step_pkg::drop(value_i, shift_i, 1'b0));
  assign floor   = $signed(bitmod_step_pkg::drop(value_i, shift_i, 1'b1));

  // Twice the distance between the value and the result times the power of two, and the power itself.
  logic signed [33:0] power, distance;

  assign power    = 34'sd1 <<< shift_i[3:0];
  assign distance = (34'(value_i) - (34'(nearest) <<< shift_i[3:0])) <<< 1;

  always_comb begin
    if (shift_i < 6'd16) begin
      assert (distance <= power && distance >= -power);
      if (distance == power || distance == -power) assert (!nearest[0]);
      assert ((34'(floor) <<< shift_i[3:0]) <= 34'(value_i));
      assert (34'(value_i) < ((34'(floor) + 34'sd1) <<< shift_i[3:0]));
    end else begin
      assert (nearest == '0);
      assert (floor == {16{value_i[14]}});
    end
  end

endmodule
