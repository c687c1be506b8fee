// The kernel sequencer with its memories, written by the test, and units that run for so many cycles.

module kseq_harness #(
  parameter int unsigned CounterWidth = 32
) (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic [15:0] so_latency_i,
  input  logic        cmd_valid_i,
  output logic        cmd_ready_o,
  input  logic [31:0] cmd_i,
  input  logic        ho_valid_i,
  output logic        ho_ready_o,
  input  logic [3:0]  ho_base_i,
  input  logic [3:0]  ho_count_i,
  input  logic        sched_we_i,
  input  logic        prog_we_i,
  input  logic [14:0] waddr_i,
  input  logic [63:0] wdata_i,
  input  logic [15:0] run_cycles_i,
  output logic        cfg_valid_o,
  output logic [51:0] cfg_o,
  output logic        start_o,
  output logic        idle_o,
  output logic        error_o,
  output logic [CounterWidth-1:0] launches_o,
  output logic [CounterWidth-1:0] busy_cycles_o,
  output logic [CounterWidth-1:0] gap_cycles_o
);

  logic [31:0] sched_word;
  logic [51:0] prog_word;
  logic [3:0]  sched_addr;
  logic [14:0] prog_addr;
  logic [15:0] left_q;

  sram_1r1w #(.Width(32), .Depth(16)) i_sched (
    .clk_i, .rst_ni,
    .we_i(sched_we_i), .waddr_i(waddr_i[3:0]), .wdata_i(wdata_i[31:0]),
    .re_i(1'b1), .raddr_i(sched_addr), .rdata_o(sched_word)
  );

  sram_1r1w #(.Width(52), .Depth(64)) i_prog (
    .clk_i, .rst_ni,
    .we_i(prog_we_i), .waddr_i(waddr_i[5:0]), .wdata_i(wdata_i[51:0]),
    .re_i(1'b1), .raddr_i(prog_addr[5:0]), .rdata_o(prog_word)
  );

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni)              left_q <= '0;
    else if (start_o)         left_q <= run_cycles_i;
    else if (left_q != 16'd0) left_q <= left_q - 16'd1;
  end

  sn40l_kseq #(.SchedWidth(4), .CounterWidth(CounterWidth)) i_kseq (
    .clk_i,
    .rst_ni,
    .so_latency_i,
    .cmd_valid_i,
    .cmd_ready_o,
    .cmd_i,
    .ho_valid_i,
    .ho_ready_o,
    .ho_base_i,
    .ho_count_i,
    .sched_addr_o(sched_addr),
    .sched_cmd_i (sched_word),
    .prog_addr_o (prog_addr),
    .prog_word_i (prog_word),
    .cfg_valid_o,
    .cfg_o,
    .start_o,
    .done_i      (left_q == 16'd0),
    .idle_o,
    .error_o,
    .launches_o,
    .busy_cycles_o,
    .gap_cycles_o
  );

  logic unused;
  assign unused = ^{prog_addr[14:6], wdata_i[63:52]};

endmodule
