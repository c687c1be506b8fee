// For every code of every kind of weight, and every special value, the terms add up to the weight.

module terms_formal (
  input logic [7:0] code_i,
  input logic [7:0] special_i
);

  // A term times its place, as a plain number.
  function automatic logic signed [11:0] worth(input logic [3:0] term, input logic [2:0] bsig);
    logic signed [11:0] magnitude;
    magnitude = term[2] ? 12'sd1 <<< (term[1:0] + bsig) : 12'sd0;
    worth     = term[3] ? -magnitude : magnitude;
  endfunction

  logic [3:0][3:0] booth;
  logic [1:0][3:0] decoded;

  for (genvar t = 0; t < 4; t++) begin : gen_eight
    bitmod_term_generate i_generate (
      .mode_i(bitmod_pkg::ModeInt8), .term_i(2'(t)), .code_i, .special_i, .term_o(booth[t])
    );
  end

  for (genvar t = 0; t < 2; t++) begin : gen_four
    bitmod_term_generate i_generate (
      .mode_i(bitmod_pkg::ModeFp), .term_i(2'(t)), .code_i, .special_i, .term_o(decoded[t])
    );
  end

  logic [3:0] six_top;
  bitmod_term_generate i_six (
    .mode_i(bitmod_pkg::ModeInt6), .term_i(2'd2), .code_i, .special_i, .term_o(six_top)
  );

  // The basic grid, doubled: sign and magnitude.
  logic [11:0] magnitude;

  always_comb begin
    case (code_i[2:0])
      3'd0: magnitude = 12'd0;
      3'd1: magnitude = 12'd1;
      3'd2: magnitude = 12'd2;
      3'd3: magnitude = 12'd3;
      3'd4: magnitude = 12'd4;
      3'd5: magnitude = 12'd6;
      3'd6: magnitude = 12'd8;
      default: magnitude = 12'd12;
    endcase
  end

  wire signed [11:0] low = worth(booth[1], 3'd2) + worth(booth[0], 3'd0);

  always_comb begin
    assert (worth(booth[3], 3'd6) + worth(booth[2], 3'd4) + low == 12'($signed(code_i)));
    assert (worth(six_top, 3'd4) + low == 12'($signed(code_i[5:0])));
    if (code_i[3:0] == 4'b1000) assert (decoded == special_i);
    else assert (worth(decoded[1], 3'd1) + worth(decoded[0], 3'd0) == (code_i[3] ? -magnitude : magnitude));
  end

endmodule
