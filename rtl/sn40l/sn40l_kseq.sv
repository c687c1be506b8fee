// Copyright penstock contributors.
// Licensed under the Apache License, Version 2.0, see LICENSE for details.
// SPDX-License-Identifier: Apache-2.0

// Kernel sequencer: Program Load, Argument Load and Kernel Execute (SN40L, MICRO 2024, section IV-D).
//
// A command is {op, base, count}. Loads read `count` words from address `base` of a program memory and put them on
// the configuration bus, one a cycle. Execute pulses start_o and waits until the units say done_i; they do not
// say it in the cycle of the pulse.
//
// Orchestrated by software, each command is the host's and begins so_latency_i cycles after it is taken: the time
// a host takes to notice the end of the one before and to send the next. Orchestrated by hardware, the commands
// are a static schedule in a memory of their own, `count` of them from `base`, one after the other.
//
// Arguments and execution need a program; a command without one, or an unknown one, is told by error_o and skipped.

module sn40l_kseq #(
  parameter int unsigned SchedWidth   = 6,  // bits of an address of the schedule
  parameter int unsigned CounterWidth = 32  // of the counters, which wrap
) (
  input  logic                    clk_i,
  input  logic                    rst_ni,
  input  logic [15:0]             so_latency_i,
  // Software: commands one by one
  input  logic                    cmd_valid_i,
  output logic                    cmd_ready_o,
  input  sn40l_kseq_pkg::cmd_t    cmd_i,
  // Hardware: a schedule; the memory gives the word of the address of the cycle before
  input  logic                    ho_valid_i,
  output logic                    ho_ready_o,
  input  logic [SchedWidth-1:0]   ho_base_i,
  input  logic [SchedWidth-1:0]   ho_count_i,
  output logic [SchedWidth-1:0]   sched_addr_o,
  input  sn40l_kseq_pkg::cmd_t    sched_cmd_i,
  // Program memory, the same
  output logic [14:0]             prog_addr_o,
  input  sn40l_kseq_pkg::config_t prog_word_i,
  // Units
  output logic                    cfg_valid_o,
  output sn40l_kseq_pkg::config_t cfg_o,
  output logic                    start_o,
  input  logic                    done_i,
  // State
  output logic                    idle_o,
  output logic                    error_o,
  output logic [CounterWidth-1:0] launches_o,
  output logic [CounterWidth-1:0] busy_cycles_o,  // of kernels
  output logic [CounterWidth-1:0] gap_cycles_o    // from the end of a kernel to the start of the next
);

  typedef enum logic [2:0] {Idle, Delay, Fetch, Decode, Load, Start, Run} state_e;

  state_e                state_q;
  sn40l_kseq_pkg::cmd_t  cmd_q;
  logic [15:0]           delay_q;
  logic [14:0]           addr_q, left_q;
  logic [SchedWidth-1:0] sched_q, sched_left_q;  // commands of the schedule not fetched yet
  logic                  loaded_q, ran_q;

  logic needs_program, runs, refused, last_word, over;

  assign needs_program = cmd_q.op != sn40l_kseq_pkg::ProgramLoad;
  assign runs          = cmd_q.op == sn40l_kseq_pkg::KernelExecute;
  assign refused       = state_q == Decode && ((needs_program && !loaded_q) || cmd_q.op == 2'd3);
  assign last_word     = left_q == 15'd1;
  assign over          = refused || (state_q == Load && last_word) || (state_q == Run && done_i)
                       || (state_q == Decode && !runs && cmd_q.count == '0);

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      state_q      <= Idle;
      cmd_q        <= '0;
      delay_q      <= '0;
      addr_q       <= '0;
      left_q       <= '0;
      sched_q      <= '0;
      sched_left_q <= '0;
    end else begin
      unique case (state_q)
        Idle: begin
          if (ho_valid_i) begin
            sched_q      <= ho_base_i;
            sched_left_q <= ho_count_i;
            if (ho_count_i != '0) state_q <= Fetch;
          end else if (cmd_valid_i) begin
            cmd_q   <= cmd_i;
            delay_q <= so_latency_i;
            state_q <= Delay;
          end
        end
        Delay: begin
          delay_q <= delay_q - 16'd1;
          if (delay_q == '0) state_q <= Decode;
        end
        Fetch: begin
          cmd_q        <= sched_cmd_i;
          sched_q      <= sched_q + SchedWidth'(1);
          sched_left_q <= sched_left_q - SchedWidth'(1);
          state_q      <= Decode;
        end
        Decode: begin
          addr_q <= cmd_q.base + 15'd1;
          left_q <= cmd_q.count;
          if (!over) state_q <= runs ? Start : Load;
        end
        Load: begin
          addr_q <= addr_q + 15'd1;
          left_q <= left_q - 15'd1;
        end
        Start:   state_q <= Run;
        default: ;  // Run ends below
      endcase
      if (over) state_q <= (sched_left_q != '0) ? Fetch : Idle;
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      loaded_q <= 1'b0;
      ran_q    <= 1'b0;
    end else begin
      if (state_q == Decode && !needs_program) loaded_q <= 1'b0;
      if (over && !needs_program)              loaded_q <= 1'b1;
      if (state_q == Start)                    ran_q    <= 1'b1;
    end
  end

  // The memories answer in the cycle after the address: the schedule's next command is asked for at the end of
  // the one before, a program's next word while the last one arrives.
  assign sched_addr_o = (state_q == Idle) ? ho_base_i : sched_q;
  assign prog_addr_o  = (state_q == Decode) ? cmd_q.base : addr_q;

  assign cfg_valid_o = state_q == Load;
  assign cfg_o       = prog_word_i;
  assign start_o     = state_q == Start;
  assign cmd_ready_o = state_q == Idle && !ho_valid_i;
  assign ho_ready_o  = state_q == Idle;
  assign idle_o      = state_q == Idle;
  assign error_o     = refused;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      launches_o    <= '0;
      busy_cycles_o <= '0;
      gap_cycles_o  <= '0;
    end else begin
      launches_o    <= launches_o + CounterWidth'(state_q == Start);
      busy_cycles_o <= busy_cycles_o + CounterWidth'(state_q == Run);
      gap_cycles_o  <= gap_cycles_o + CounterWidth'(ran_q && state_q != Run);
    end
  end

endmodule
