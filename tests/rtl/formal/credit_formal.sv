// Credits are the initial ones, less those spent, plus those given back, for every sequence of loads, spending and
// giving back: ready while each counter in use has one, idle while none is out. With Bounded, where only what was
// spent comes back, no counter is ever above its initial value.

module credit_formal #(
  parameter int unsigned Counters = 3,
  parameter int unsigned Width    = 3,
  parameter int unsigned Bounded  = 1
) (
  input logic                           clk_i,
  input logic                           rst_ni,
  input logic                           load_i,
  input logic [Counters-1:0]            use_i,
  input logic [Counters-1:0][Width-1:0] init_i,
  input logic                           spend_i,
  input logic [Counters-1:0]            return_i
);

  // What is configured stays from a load on.
  logic                           loaded_q = 1'b0;
  logic [Counters-1:0]            use_q;
  logic [Counters-1:0][Width-1:0] init_q;
  logic [Counters-1:0]            in_use;
  logic [Counters-1:0][Width-1:0] init;
  logic                           load, spend, ready, idle;
  logic [Counters-1:0]            back;

  assign load   = load_i | ~loaded_q;
  assign in_use = load ? use_i : use_q;
  assign init   = load ? init_i : init_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) loaded_q <= 1'b0;
    else         loaded_q <= 1'b1;
  end
  always_ff @(posedge clk_i) begin
    if (load) {use_q, init_q} <= {use_i, init_i};
  end

  credit_buf #(.Counters(Counters), .Width(Width)) i_credits (
    .clk_i,
    .rst_ni,
    .load_i  (load),
    .use_i   (in_use),
    .init_i  (init),
    .spend_i (spend),
    .return_i(back),
    .ready_o (ready),
    .idle_o  (idle)
  );

  // The same in one word: what is spent less what came back.
  logic signed [Counters-1:0][Width:0] out_q;
  logic [Counters-1:0]                 some, none_out;

  assign spend = spend_i & ready & ~load;

  for (genvar i = 0; i < Counters; i++) begin : gen_counter
    logic [Width:0] level, room;

    assign level       = {1'b0, init_q[i]} - out_q[i];
    assign room        = Bounded != 0 ? {1'b0, init_q[i]} : {1'b0, {Width{1'b1}}};
    assign back[i]     = return_i[i] & ~load & use_q[i] & (level < room);
    assign some[i]     = ~use_q[i] | (level != '0);
    assign none_out[i] = ~use_q[i] | (out_q[i] == '0);

    always_ff @(posedge clk_i) begin
      if (load)          out_q[i] <= '0;
      else if (use_q[i]) out_q[i] <= out_q[i] + (Width + 1)'(spend) - (Width + 1)'(back[i]);
    end

    always_comb begin
      if (rst_ni && loaded_q && use_q[i]) begin
        assert (level <= {1'b0, {Width{1'b1}}});
        if (Bounded != 0) assert (level <= {1'b0, init_q[i]});
      end
    end
  end

  always_comb begin
    if (rst_ni && loaded_q && !load) begin
      assert (ready == &some);
      assert (idle == &none_out);
    end
  end

endmodule
