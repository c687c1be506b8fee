// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Arithmetic of the processing element, as functions: its three steps on fixed widths.
//
// Lanes come in fours; a lane that is not there has zero operands. Widths are those of eight lanes and of the
// widest accumulator, 18 bits; what a smaller element does not use is constant. Bits that do not fit are
// rounded to nearest even, or with truncate dropped, toward minus infinity.
// As functions they are compiled once by a simulator, not once an element: most of a large array's speed.

package bitmod_step_pkg;

  // As in bitmod_pkg: not every synthesis tool lets a package name another.
  localparam int unsigned ExpWidth    = 6;
  localparam int unsigned BsigWidth   = 3;
  localparam int unsigned TermWidth   = 4;
  localparam int unsigned ActExpWidth = 5;
  localparam int unsigned ActManWidth = 11;

  localparam int unsigned Quad        = 4;

  localparam int unsigned AlignWidth    = 15;  // sign, 11 mantissa bits, 3 guard bits
  localparam int unsigned QuadDotWidth  = 17;  // sum of four aligned products
  localparam int unsigned MaxDotWidth   = 18;  // of eight
  localparam int unsigned MaxAccWidth   = 18;
  localparam int unsigned SumWidth      = 26;  // dot product moved up by 6, accumulator, and rounding
  localparam int unsigned QuadExps      = Quad * ExpWidth;
  localparam int unsigned AccStateWidth = ExpWidth + MaxAccWidth;

  // A weight term is bitmod_pkg::term_t: sign in bit 3, man in bit 2, exp below.

  // Exponents of four products: {largest, how far each lies below it}. A dead lane has exponent 0, below
  // every live one.
  function automatic logic [ExpWidth+QuadExps-1:0] exponents(
    input logic [Quad*ActExpWidth-1:0] act_exp,
    input logic [Quad*TermWidth-1:0]   term
  );
    // verilator no_inline_task
    logic [QuadExps-1:0]    each;
    logic [ExpWidth-1:0]    largest, lane;
    logic [ActExpWidth-1:0] exponent;
    each    = '0;
    largest = '0;
    for (int unsigned l = 0; l < Quad; l++) begin
      exponent = act_exp[l*ActExpWidth+:ActExpWidth];
      lane     = '0;
      if (term[l*TermWidth+2] && exponent != '0) begin
        lane = ExpWidth'(exponent) + ExpWidth'(term[l*TermWidth+:2]);
      end
      each[l*ExpWidth+:ExpWidth] = lane;
      if (lane > largest) largest = lane;
    end
    for (int unsigned l = 0; l < Quad; l++) begin
      each[l*ExpWidth+:ExpWidth] = largest - each[l*ExpWidth+:ExpWidth];
    end
    exponents = {largest, each};
  endfunction

  // A product without the bits below 2^shift.
  function automatic logic [AlignWidth:0] drop(
    input logic [AlignWidth-1:0] value,
    input logic [ExpWidth-1:0]   shift,
    input logic                  truncate
  );
    logic [AlignWidth:0] wide, mask, bias;
    logic [3:0]          places;
    logic                odd;
    // Beyond fifteen places nothing changes any more.
    places = (shift > ExpWidth'(AlignWidth)) ? 4'(AlignWidth) : shift[3:0];
    wide   = {value[AlignWidth-1], value};
    odd    = 1'(wide >> places);
    mask   = ((AlignWidth + 1)'(1) << places) - (AlignWidth + 1)'(1);
    bias   = truncate ? '0 : (mask >> 1) + (AlignWidth + 1)'(odd & mask[0]);
    drop   = $unsigned($signed(wide + bias) >>> places);
  endfunction

  // Four products, each moved right to the largest exponent, and summed.
  function automatic logic [QuadDotWidth-1:0] dot(
    input logic [Quad-1:0]             sign,
    input logic [Quad*ActManWidth-1:0] man,
    input logic [Quad*TermWidth-1:0]   term,
    input logic [QuadExps-1:0]         shift,
    input logic                        truncate
  );
    // verilator no_inline_task
    logic [QuadDotWidth-1:0] sum;
    logic [AlignWidth-1:0]   product;
    logic [AlignWidth:0]     aligned;
    sum = '0;
    for (int unsigned l = 0; l < Quad; l++) begin
      product = term[l*TermWidth+2] ? {1'b0, man[l*ActManWidth+:ActManWidth], 3'b000} : '0;
      if (sign[l] ^ term[l*TermWidth+3]) product = -product;
      aligned = drop(product, shift[l*ExpWidth+:ExpWidth], truncate);
      sum     = sum + {aligned[AlignWidth], aligned};
    end
    dot = sum;
  endfunction

  // A sum without the bits below 2^shift.
  function automatic logic [SumWidth-1:0] drop_sum(
    input logic [SumWidth-1:0] value,
    input logic [ExpWidth-1:0] shift,
    input logic                truncate
  );
    logic [SumWidth-1:0] mask, bias;
    logic [4:0]          places;
    logic                odd;
    places   = (shift > ExpWidth'(SumWidth - 1)) ? 5'(SumWidth - 1) : shift[4:0];
    odd      = 1'(value >> places);
    mask     = (SumWidth'(1) << places) - SumWidth'(1);
    bias     = truncate ? '0 : (mask >> 1) + SumWidth'(odd & mask[0]);
    drop_sum = $unsigned($signed(value + bias) >>> places);
  endfunction

  // Bits of a number of at most fifteen.
  function automatic logic [3:0] length(input logic [14:0] value);
    logic [14:0] rest;
    logic [3:0]  count;
    rest  = value;
    count = '0;
    for (int unsigned half = 8; half > 0; half = half >> 1) begin
      if ((rest >> half) != '0) begin
        rest  = rest >> half;
        count = count + 4'(half);
      end
    end
    length = count + 4'(rest[0]);
  endfunction

  // The accumulator {exponent, mantissa} after a step; a group's first step forgets what there was. It and
  // the dot product, moved up by its bit significance, meet at the larger of their exponents; the sum moves
  // right where it needs more than acc_width - 1 magnitude bits, and the exponent grows with it. It never
  // normalises to the left.
  function automatic logic [AccStateWidth-1:0] accumulate(
    input logic                             first,
    input logic [ExpWidth-1:0]              exp,
    input logic [MaxAccWidth-1:0]           mantissa,
    input logic [ExpWidth-1:0]              step_exp,
    input logic [MaxDotWidth-1:0]           step_dot,
    input logic [BsigWidth-1:0]             bsig,
    input logic [4:0]                       acc_width,
    input logic                             truncate
  );
    // verilator no_inline_task
    logic [SumWidth-1:0] step, kept, sum;
    logic [ExpWidth-1:0] kept_exp, larger, grow;
    logic [4:0]          bits;
    logic [14:0]         above;
    bits     = acc_width - 5'd1;
    kept_exp = first ? '0 : exp;
    larger   = (step_exp > kept_exp) ? step_exp : kept_exp;
    step     = {{(SumWidth - MaxDotWidth) {step_dot[MaxDotWidth-1]}}, step_dot} << bsig;
    kept     = first ? '0 : {{(SumWidth - MaxAccWidth) {mantissa[MaxAccWidth-1]}}, mantissa};
    sum      = drop_sum(step, larger - step_exp, truncate) + drop_sum(kept, larger - kept_exp, truncate);
    above    = 15'((sum[SumWidth-1] ? -sum : sum) >> bits);
    if (above != '0) begin
      grow   = ExpWidth'(length(above));
      sum    = drop_sum(sum, grow, truncate);
      larger = larger + grow;
      // Rounding may give exactly 2^bits or its negative: one more place, nothing lost.
      if ((sum[SumWidth-1] ? -sum : sum) == SumWidth'(1) << bits) begin
        sum    = $unsigned($signed(sum) >>> 1);
        larger = larger + ExpWidth'(1);
      end
    end
    accumulate = {larger, sum[MaxAccWidth-1:0]};
  endfunction

endpackage
