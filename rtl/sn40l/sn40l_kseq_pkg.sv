// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Words of the kernel sequencer.

package sn40l_kseq_pkg;

  typedef enum logic [1:0] {
    ProgramLoad   = 2'd0,
    ArgumentLoad  = 2'd1,
    KernelExecute = 2'd2
  } op_e;

  // A command: 32 bits.
  typedef struct packed {
    op_e         op;
    logic [14:0] base;
    logic [14:0] count;
  } cmd_t;

  // A word of a program: what goes to which register of which unit.
  typedef struct packed {
    logic [7:0]  unit;
    logic [11:0] addr;
    logic [31:0] data;
  } config_t;

endpackage
