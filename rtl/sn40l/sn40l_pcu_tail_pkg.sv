// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Functions of the tail as piecewise polynomials (SN40L, MICRO 2024, section IV-A).
//
// Each function takes its operand apart into a segment, a fraction g of it, 0 <= g < 1 with 24 bits, and a
// power of two; p(g) is that segment's polynomial of degree 5, by Horner's rule, products and sums rounded:
//   exp    y = x * log2(e) + 0 = n + g;                result = p * 2^n
//   recip  |x| = m * 2^e, 1 <= m < 2, 8 m = 8 + s + g; result = +-p * 2^-e
//   rsqrt  x = m * 2^2e, 1 <= m < 4, 4 m or 2 m = 4 + s + g: result = p * 2^-e
//   gelu   2 |x| = s + g, p = Q(|x|) = erfc(|x| / sqrt(2)) / 2, 0 from |x| = 6; result = max(x, 0) - |x| p
// p(0) is the function's value rounded, the other coefficients give the least error relative to it (gelu: the
// least error), highest degree first and each rounded before the lower ones: at most 5.3e-8 before rounding.
// Results below 2^-126 of the first three are zeros, subnormal operands of recip and rsqrt count as zeros.

package sn40l_pcu_tail_pkg;

  localparam int unsigned Degree       = 5;
  localparam int unsigned SegmentWidth = 5;
  localparam int unsigned Lanes        = 8;  // as in sn40l_pkg

  // First segment of each function; beyond the last all coefficients are zero.
  localparam logic [SegmentWidth-1:0] SegmentExp   = 5'd0;
  localparam logic [SegmentWidth-1:0] SegmentRecip = 5'd1;
  localparam logic [SegmentWidth-1:0] SegmentRsqrt = 5'd9;
  localparam logic [SegmentWidth-1:0] SegmentGelu  = 5'd17;
  localparam logic [SegmentWidth-1:0] SegmentZero  = 5'd29;

  localparam int unsigned Coefficients = 30 * (Degree + 1);

  // The last segment first; in a segment the highest degree first.
  localparam logic [Coefficients*32-1:0] Table = {
    32'h00000000, 32'h00000000, 32'h00000000, 32'h00000000, 32'h00000000, 32'h00000000,
    // Half the complementary error function of x / sqrt(2), eleventh half of x first
    32'hB1E86ED2, 32'h3300097F, 32'hB38159C4, 32'h339CAE21, 32'hB366F87C, 32'h32A31E7D,
    32'hB39451EE, 32'h34AC1BA2, 32'hB53AD9BE, 32'h3576DADE, 32'hB5475F37, 32'h3499E518,
    32'hB50BE1F1, 32'h362D2C49, 32'hB6CD1981, 32'h3715D0C7, 32'hB7060316, 32'h36640394,
    32'hB63F4560, 32'h3780D05C, 32'hB829FD5D, 32'h388BC437, 32'hB88C4AEC, 32'h3804D6BD,
    32'hB7371B46, 32'h388AC8C3, 32'hB952BD83, 32'h39C7C6E9, 32'hB9E4BDC0, 32'h3973EDE5,
    32'hB7E3B84E, 32'h39508B99, 32'hBA40705A, 32'h3AD9B3EA, 32'hBB1137D8, 32'h3AB0EF10,
    32'hB80FCAB0, 32'h39C853D6, 32'hBAFBE75F, 32'h3BB38508, 32'hBC0F97C2, 32'h3BCB7A73,
    32'h3788AE15, 32'h39B09C2E, 32'hBB5EE544, 32'h3C5D3D46, 32'hBCDD2672, 32'h3CBA5E7C,
    32'h390D5CB4, 32'hB9A7E75E, 32'hBB5F1353, 32'h3CC6FF1A, 32'hBD84A089, 32'h3D88D237,
    32'h393FFD59, 32'hBAAB8E82, 32'h37AA25CB, 32'h3CF7BF4E, 32'hBDF7C710, 32'h3E227686,
    32'h34995D75, 32'hBAB9991C, 32'h3BB6BF4E, 32'h3CB42027, 32'hBE3441A0, 32'h3E9DF8A2,
    32'hB989A660, 32'hB8960C93, 32'h3C08D45B, 32'hB71CCF33, 32'hBE4C41FB, 32'h3F000000,
    // 1 / sqrt(m), quarters of [2, 4), then of [1, 2)
    32'hB50A371E, 32'h38419865, 32'hB9F911A2, 32'h3B85E923, 32'hBD1C624B, 32'h3F08D677,
    32'hB6E66B0A, 32'h38D79E17, 32'hBA574694, 32'h3BC4EB30, 32'hBD451112, 32'h3F13CD3A,
    32'hB7EF35F5, 32'h3984ECEA, 32'hBACD9F42, 32'h3C1B61D1, 32'hBD8186BD, 32'h3F21E89B,
    32'hB8B9404B, 32'h3A305820, 32'hBB5F8E60, 32'h3C87AF59, 32'hBDB50482, 32'h3F3504F3,
    32'hB5D50CFA, 32'h388D69F1, 32'hBA309D7E, 32'h3BBD6690, 32'hBD5D2921, 32'h3F41848F,
    32'hB802929B, 32'h3950D9D3, 32'hBA9E6CC5, 32'h3C0B858A, 32'hBD8B5A03, 32'h3F5105EC,
    32'hB81D9CC1, 32'h39B86AE4, 32'hBB110345, 32'h3C5BB5C2, 32'hBDB72D68, 32'h3F64F92E,
    32'hB907C73B, 32'h3A7C4DBE, 32'hBB9E64A4, 32'h3CBFEA8F, 32'hBDFFFFA2, 32'h3F800000,
    // 1 / m, eighths of [1, 2)
    32'hB76D423E, 32'h383A5F0E, 32'hB9450187, 32'h3B1C0C73, 32'hBD11A420, 32'h3F088889,
    32'hB75EFAF5, 32'h38405175, 32'hB97703F0, 32'h3B3FB64F, 32'hBD273053, 32'h3F124925,
    32'hB750DAB1, 32'h384E0507, 32'hB99FA4F7, 32'h3B6F3712, 32'hBD41E5E7, 32'h3F1D89D9,
    32'hB74485AD, 32'h386986AF, 32'hB9D540EC, 32'h3B97F3C9, 32'hBD638F3C, 32'h3F2AAAAB,
    32'hB7697614, 32'h389CE762, 32'hBA15281B, 32'h3BC538CC, 32'hBD876838, 32'h3F3A2E8C,
    32'hB7446408, 32'h38C180A0, 32'hBA54C4F2, 32'h3C0324B6, 32'hBDA3D756, 32'h3F4CCCCD,
    32'hB76BD89D, 32'h3911D578, 32'hBAA07628, 32'h3C33D4CD, 32'hBDCA45AF, 32'h3F638E39,
    32'hB7B3FF2E, 32'h3976536E, 32'hBAFF6B2E, 32'h3C7FFC08, 32'hBDFFFFF7, 32'h3F800000,
    // 2^g, fp32_exp_pkg's
    32'h3AF4B678, 32'h3C13BD91, 32'h3D648E1C, 32'h3E75EDB4, 32'h3F31725D, 32'h3F800000
  };

  function automatic logic [31:0] coefficient(logic [SegmentWidth-1:0] segment, logic [2:0] degree);
    coefficient = Table[(13'(segment) * 13'(Degree + 1) + 13'(degree)) * 13'd32 +: 32];
  endfunction

  // A lane's operand taken apart.
  typedef struct packed {
    logic [SegmentWidth-1:0] segment;
    logic signed [8:0]       power;
    logic [31:0]             g;
  } place_t;

  typedef struct packed {
    logic [Lanes*SegmentWidth-1:0] segment;
    logic [Lanes*9-1:0]            power;
    logic [Lanes*32-1:0]           g;
  } places_t;

  // A number that has the segment or the power of two before its point, g after it.
  function automatic logic [31:0] parted(logic [2:0] tail, logic [31:0] x);
    /* verilator no_inline_task */
    case (tail)
      sn40l_pcu_pkg::TailExp:   parted = fp32_pkg::add(fp32_pkg::multiply(x, fp32_exp_pkg::Log2e), 32'd0);
      sn40l_pcu_pkg::TailRecip: parted = {1'b0, 8'd130, x[22:0]};
      sn40l_pcu_pkg::TailRsqrt: parted = {1'b0, 8'd129, x[22:0]};
      default:                  parted = fp32_pkg::multiply({1'b0, x[30:0]}, 32'h4000_0000);
    endcase
  endfunction

  function automatic place_t place(logic [2:0] tail, logic [7:0] exponent, logic [31:0] number);
    /* verilator no_inline_task */
    fp32_pkg::parts_t parts;
    place_t           found;

    parts         = fp32_pkg::split(number);
    found.g       = parts.fraction;
    found.segment = SegmentExp;
    found.power   = 9'sd0;
    case (tail)
      sn40l_pcu_pkg::TailExp: found.power = parts.floor;
      sn40l_pcu_pkg::TailRecip: begin
        found.segment = SegmentRecip + SegmentWidth'(parts.floor[2:0]);
        found.power   = $signed(9'd127 - {1'b0, exponent});
      end
      sn40l_pcu_pkg::TailRsqrt: begin
        found.segment = SegmentRsqrt + SegmentWidth'({~exponent[0], parts.floor[1:0]});
        found.power   = $signed(9'd63 - {2'b00, exponent[7:1]} + {8'd0, ~exponent[0]});
      end
      default: begin
        found.segment = (parts.floor < 9'sd12) ? SegmentGelu + SegmentWidth'(parts.floor[3:0]) : SegmentZero;
      end
    endcase
    place = found;
  endfunction

  // A step of Horner's rule, down to a degree; the first begins with the highest coefficient.
  function automatic logic [31:0] stepped(logic begins, logic [2:0] degree, logic [31:0] p,
                                          logic [SegmentWidth-1:0] segment, logic [31:0] g);
    logic [31:0] start;

    start   = begins ? coefficient(segment, 3'(Degree)) : p;
    stepped = fp32_pkg::add(fp32_pkg::multiply(start, g), coefficient(segment, degree));
  endfunction

  // The polynomial's value p, with the power of two and what no polynomial gives.
  function automatic logic [31:0] finished(logic [2:0] tail, logic [31:0] x, logic [31:0] p,
                                           logic signed [8:0] power);
    /* verilator no_inline_task */
    logic        zero;  // or subnormal
    logic [31:0] scaled, product;

    zero    = x[30:23] == 8'd0;
    scaled  = fp32_exp_pkg::scaled(p, power);
    product = 32'd0;
    case (tail)
      sn40l_pcu_pkg::TailRecip: begin
        if (fp32_pkg::is_nan(x[30:0]))      finished = fp32_pkg::QuietNan;
        else if (zero)                      finished = {x[31], 8'hFF, 23'd0};
        else if (fp32_pkg::is_inf(x[30:0])) finished = {x[31], 31'd0};
        else                                finished = {x[31], scaled[30:0]};
      end
      sn40l_pcu_pkg::TailRsqrt: begin
        if (fp32_pkg::is_nan(x[30:0]))      finished = fp32_pkg::QuietNan;
        else if (zero)                      finished = {x[31], 8'hFF, 23'd0};
        else if (x[31])                     finished = fp32_pkg::QuietNan;
        else if (fp32_pkg::is_inf(x[30:0])) finished = 32'd0;
        else                                finished = scaled;
      end
      sn40l_pcu_pkg::TailGelu: begin
        if (p != 32'd0) product = fp32_pkg::multiply({1'b1, x[30:0]}, p);
        finished = fp32_pkg::add(x[31] ? 32'd0 : x, product);
      end
      default: finished = scaled;
    endcase
  endfunction

  // All lanes of a vector. A simulator keeps one copy of each.
  function automatic logic [Lanes*32-1:0] parted_lanes(logic [2:0] tail, logic [Lanes*32-1:0] x);
    /* verilator no_inline_task */
    for (int unsigned l = 0; l < Lanes; l++) begin
      parted_lanes[l*32+:32] = parted(tail, x[l*32+:32]);
    end
  endfunction

  function automatic places_t place_lanes(logic [2:0] tail, logic [Lanes*32-1:0] x, logic [Lanes*32-1:0] number);
    /* verilator no_inline_task */
    place_t  found;
    places_t all;
    for (int unsigned l = 0; l < Lanes; l++) begin
      found = place(tail, x[l*32+23+:8], number[l*32+:32]);
      all.segment[l*SegmentWidth+:SegmentWidth] = found.segment;
      all.power[l*9+:9]                         = found.power;
      all.g[l*32+:32]                           = found.g;
    end
    place_lanes = all;
  endfunction

  function automatic logic [Lanes*32-1:0] step_lanes(logic begins, logic [2:0] degree, logic [Lanes*32-1:0] p,
                                                     logic [Lanes*SegmentWidth-1:0] segment,
                                                     logic [Lanes*32-1:0] g);
    /* verilator no_inline_task */
    for (int unsigned l = 0; l < Lanes; l++) begin
      step_lanes[l*32+:32] = stepped(begins, degree, p[l*32+:32], segment[l*SegmentWidth+:SegmentWidth],
                                     g[l*32+:32]);
    end
  endfunction

  function automatic logic [Lanes*32-1:0] finish_lanes(logic [2:0] tail, logic [Lanes*32-1:0] x,
                                                       logic [Lanes*32-1:0] p, logic [Lanes*9-1:0] power);
    /* verilator no_inline_task */
    for (int unsigned l = 0; l < Lanes; l++) begin
      finish_lanes[l*32+:32] = finished(tail, x[l*32+:32], p[l*32+:32], power[l*9+:9]);
    end
  endfunction

endpackage
