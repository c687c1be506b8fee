// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// IEEE 754 single precision arithmetic, as combinational functions, so that a simulator keeps one copy for
// all the places that use it.
//
// Round to nearest, ties to even. Subnormal operands and results, signed zeros, infinities and NaNs follow
// the standard; every NaN result is the quiet NaN 7FC00000. No exception flags and no other rounding modes.

package fp32_pkg;

  localparam logic [31:0] QuietNan = 32'h7FC0_0000;

  typedef struct packed {
    logic signed [8:0] floor;
    logic [31:0]       fraction;
  } parts_t;

  // These two take a number without its sign.
  function automatic logic is_nan(logic [30:0] magnitude);
    is_nan = magnitude > 31'h7F80_0000;
  endfunction

  function automatic logic is_inf(logic [30:0] magnitude);
    is_inf = magnitude == 31'h7F80_0000;
  endfunction

  // Position of the most significant one, 0 where there is none: by halves.
  function automatic logic [4:0] top_index(logic [26:0] value);
    logic [4:0]  index;
    logic [31:0] rest;

    rest     = {5'd0, value};
    index[4] = rest[31:16] != 16'd0;
    if (index[4]) rest = rest >> 16;
    index[3] = rest[15:8] != 8'd0;
    if (index[3]) rest = rest >> 8;
    index[2] = rest[7:4] != 4'd0;
    if (index[2]) rest = rest >> 4;
    index[1] = rest[3:2] != 2'd0;
    if (index[1]) rest = rest >> 2;
    index[0]  = rest[1];
    top_index = index;
  endfunction

  function automatic logic [31:0] add(logic [31:0] a, logic [31:0] b);
    /* verilator no_inline_task */
    logic [31:0] larger, smaller;
    logic        swap, subtract, a_inf, b_inf;
    logic [7:0]  larger_exp, smaller_exp, distance, wanted, headroom, left;
    logic [26:0] larger_man, smaller_man, aligned, lost, normal;
    logic [27:0] raw;
    logic [8:0]  exponent;
    logic        round_up;
    logic [30:0] rounded;

    swap    = b[30:0] > a[30:0];
    larger  = swap ? b : a;
    smaller = swap ? a : b;

    // Subnormals have exponent 1 and no hidden bit. Three more bits: guard, round, sticky.
    larger_exp  = (larger[30:23] == 8'd0) ? 8'd1 : larger[30:23];
    smaller_exp = (smaller[30:23] == 8'd0) ? 8'd1 : smaller[30:23];
    larger_man  = {larger[30:23] != 8'd0, larger[22:0], 3'b000};
    smaller_man = {smaller[30:23] != 8'd0, smaller[22:0], 3'b000};

    distance = larger_exp - smaller_exp;
    lost     = smaller_man & ~({27{1'b1}} << distance);
    aligned  = (smaller_man >> distance) | 27'(|lost);

    subtract = larger[31] ^ smaller[31];
    raw      = subtract ? {1'b0, larger_man} - {1'b0, aligned} : {1'b0, larger_man} + {1'b0, aligned};

    // Normalise: one place right after a carry, else left, but not below exponent 1.
    wanted   = 8'd26 - {3'b000, top_index(raw[26:0])};
    headroom = larger_exp - 8'd1;
    left     = (wanted < headroom) ? wanted : headroom;
    if (raw[27]) begin
      normal   = {raw[27:2], raw[1] | raw[0]};
      exponent = {1'b0, larger_exp} + 9'd1;
    end else begin
      normal   = raw[26:0] << left;
      exponent = {1'b0, larger_exp} - {1'b0, left};
    end

    // Rounding may carry into the exponent field: a subnormal becomes normal, the largest becomes infinite.
    round_up = normal[2] & (normal[1] | normal[0] | normal[3]);
    rounded  = {normal[26] ? exponent[7:0] : 8'd0, normal[25:3]} + 31'(round_up);

    a_inf = is_inf(a[30:0]);
    b_inf = is_inf(b[30:0]);
    if (is_nan(a[30:0]) || is_nan(b[30:0]) || (a_inf && b_inf && subtract)) add = QuietNan;
    else if (a_inf || b_inf)                                                add = {larger[31], 8'hFF, 23'd0};
    else if (raw == 28'd0)                                                  add = {a[31] & b[31], 31'd0};
    else if (exponent >= 9'd255)                                            add = {larger[31], 8'hFF, 23'd0};
    else                                                                    add = {larger[31], rounded};
  endfunction

  function automatic logic [31:0] multiply(logic [31:0] a, logic [31:0] b);
    /* verilator no_inline_task */
    logic              sign, a_zero, b_zero, a_inf, b_inf, nan, carry, subnormal, round_up;
    logic [4:0]        a_top, b_top;
    logic [7:0]        a_field, b_field;
    logic [23:0]       a_raw, b_raw, a_man, b_man;
    logic signed [9:0] a_exp, b_exp, exponent;
    logic [47:0]       product, normal, lost, placed;
    logic [9:0]        right;
    logic [30:0]       rounded;

    sign   = a[31] ^ b[31];
    a_zero = a[30:0] == 31'd0;
    b_zero = b[30:0] == 31'd0;

    // Mantissas with their leading one moved to bit 23; the exponents go down accordingly.
    a_raw   = {a[30:23] != 8'd0, a[22:0]};
    b_raw   = {b[30:23] != 8'd0, b[22:0]};
    a_top   = top_index({3'd0, a_raw});
    b_top   = top_index({3'd0, b_raw});
    a_field = (a[30:23] == 8'd0) ? 8'd1 : a[30:23];
    b_field = (b[30:23] == 8'd0) ? 8'd1 : b[30:23];
    a_man   = a_raw << (5'd23 - a_top);
    b_man   = b_raw << (5'd23 - b_top);
    a_exp   = $signed({2'b00, a_field}) + $signed({5'd0, a_top}) - 10'sd23;
    b_exp   = $signed({2'b00, b_field}) + $signed({5'd0, b_top}) - 10'sd23;

    product  = a_man * b_man;
    carry    = product[47];
    normal   = carry ? product : product << 1;
    exponent = a_exp + b_exp - 10'sd127 + $signed({9'd0, carry});

    // Below exponent 1 the result is subnormal: shift right, keeping what falls out as sticky.
    subnormal = exponent < 10'sd1;
    right     = subnormal ? $unsigned(10'sd1 - exponent) : 10'd0;
    lost      = normal & ~({48{1'b1}} << right);
    placed    = (normal >> right) | 48'(|lost);

    round_up = placed[23] & ((|placed[22:0]) | placed[24]);
    rounded  = {placed[47] ? exponent[7:0] : 8'd0, placed[46:24]} + 31'(round_up);

    a_inf = is_inf(a[30:0]);
    b_inf = is_inf(b[30:0]);
    nan   = is_nan(a[30:0]) || is_nan(b[30:0]) || (a_inf && b_zero) || (a_zero && b_inf);
    if (nan)                      multiply = QuietNan;
    else if (a_inf || b_inf)      multiply = {sign, 8'hFF, 23'd0};
    else if (a_zero || b_zero)    multiply = {sign, 31'd0};
    else if (exponent > 10'sd254) multiply = {sign, 8'hFF, 23'd0};
    else                          multiply = {sign, rounded};
  endfunction

  // The larger of two; -inf is its identity, +0 is larger than -0.
  function automatic logic [31:0] larger(logic [31:0] a, logic [31:0] b);
    /* verilator no_inline_task */
    logic [31:0] a_key, b_key;  // as unsigned integers in the order of the numbers

    a_key  = a[31] ? ~a : {1'b1, a[30:0]};
    b_key  = b[31] ? ~b : {1'b1, b[30:0]};
    larger = (is_nan(a[30:0]) || is_nan(b[30:0])) ? QuietNan : (a_key >= b_key) ? a : b;
  endfunction

  // value = floor + fraction, 0 <= fraction < 1. The fraction is exact to 24 bits after the point, finer bits
  // are cut off towards minus infinity. From 256 on numbers saturate to 255 or -256 with fraction 0; a NaN
  // gives floor 0 and fraction NaN.
  function automatic parts_t split(logic [31:0] value);
    /* verilator no_inline_task */
    logic [7:0]  exponent, left, right;
    logic [23:0] mantissa, shifted, lost;
    logic [32:0] magnitude, fixed;  // 24 fraction bits
    logic [4:0]  top;
    logic [22:0] normal;            // leading one left out
    parts_t      parts;

    // |value| * 2^24 = mantissa * 2^(exponent - 126)
    exponent  = value[30:23];
    mantissa  = {exponent != 8'd0, value[22:0]};
    left      = (exponent > 8'd126) ? exponent - 8'd126 : 8'd0;
    right     = (exponent < 8'd126) ? 8'd126 - exponent : 8'd0;
    shifted   = mantissa >> right;
    lost      = mantissa & ~({24{1'b1}} << right);
    magnitude = {9'd0, shifted} << left;
    fixed     = value[31] ? ~magnitude + 33'(lost == 24'd0) : magnitude;

    top    = top_index({3'd0, fixed[23:0]});
    normal = fixed[22:0] << (5'd23 - top);

    if (is_nan(value[30:0])) begin
      parts.floor    = 9'sd0;
      parts.fraction = QuietNan;
    end else if (exponent > 8'd134) begin
      parts.floor    = {value[31], {8{~value[31]}}};
      parts.fraction = 32'd0;
    end else begin
      parts.floor    = fixed[32:24];
      parts.fraction = (fixed[23:0] != 24'd0) ? {1'b0, 8'd103 + {3'd0, top}, normal} : 32'd0;
    end
    split = parts;
  endfunction

endpackage
