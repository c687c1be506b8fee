/* What a code is worth, doubled and with 16 added: tables indexed by special << 4 | code.

   FP4: code = sign, two exponent bits, mantissa. FP3: the sign and two magnitude bits come from different bit
   planes; four arrangements of them in a nibble save shifting each into place (layout.py has the picture), the
   bit that belongs to nobody being ignored. `S` is the special value, in the place of the negative zero. */
#ifndef PENSTOCK_LEVELS_H
#define PENSTOCK_LEVELS_H

#define PST_FP4(S) 16, 17, 18, 19, 20, 22, 24, 28, S, 15, 14, 13, 12, 10, 8, 4

/* Magnitude in bits 1:0, sign in bit 2; magnitude in 3:2, sign in 0; in 1:0 and 3; in 3:2 and 1. */
#define PST_FP3_0(S) 16, 18, 20, 24, S, 14, 12, 8, 16, 18, 20, 24, S, 14, 12, 8
#define PST_FP3_1(S) 16, S, 16, S, 18, 14, 18, 14, 20, 12, 20, 12, 24, 8, 24, 8
#define PST_FP3_2(S) 16, 18, 20, 24, 16, 18, 20, 24, S, 14, 12, 8, S, 14, 12, 8
#define PST_FP3_3(S) 16, 16, S, S, 18, 18, 14, 14, 20, 20, 12, 12, 24, 24, 8, 8

/* The special values, 16 added, by their index: +ER, -ER, +EA, -EA. */
#define PST_FP4_SPECIALS 26, 6, 32, 0
#define PST_FP3_SPECIALS 22, 10, 28, 4

/* A table for each special value, one after the other. */
#define PST_FP4_ALL PST_FP4(26), PST_FP4(6), PST_FP4(32), PST_FP4(0)
#define PST_FP3_ALL(ROW) ROW(22), ROW(10), ROW(28), ROW(4)

#endif
