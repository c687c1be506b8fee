// Two slots, chosen freely: which of them was touched last is what the matrix says, and the oldest of any candidates is
// one of them, older than each other.

module lru_formal #(
  parameter int unsigned Slots = 4,
  localparam int unsigned SlotWidth = $clog2(Slots)
) (
  input logic                 clk_i,
  input logic                 rst_ni,
  input logic                 touch_i,
  input logic [SlotWidth-1:0] slot_i,
  input logic [Slots-1:0]     candidates_i,
  input logic [SlotWidth-1:0] a_i,
  input logic [SlotWidth-1:0] b_i
);

  logic [Slots-1:0] oldest;

  // The first cycle is a reset.
  logic started_q;
  always_ff @(posedge clk_i) started_q <= 1'b1;
  wire rst_n = rst_ni & started_q;

  sn40l_lru #(.Slots(Slots)) i_lru (
    .clk_i,
    .rst_ni      (rst_n),
    .touch_i,
    .slot_i,
    .candidates_i,
    .oldest_o(oldest)
  );

  // The pair that is watched does not change after the reset.
  logic [SlotWidth-1:0] a_q, b_q;
  logic                 chosen_q, a_newer_q;

  always_ff @(posedge clk_i or negedge rst_n) begin
    if (!rst_n) begin
      chosen_q  <= 1'b0;
      a_q       <= '0;
      b_q       <= '0;
      a_newer_q <= 1'b0;
    end else if (!chosen_q) begin
      chosen_q  <= touch_i && slot_i == a_i;
      a_q       <= a_i;
      b_q       <= b_i;
      a_newer_q <= 1'b1;
    end else if (touch_i) begin
      if (slot_i == a_q)      a_newer_q <= 1'b1;
      else if (slot_i == b_q) a_newer_q <= 1'b0;
    end
  end

  always_comb begin
    if (touch_i) assume (32'(slot_i) < Slots);
    if (started_q) begin
      assert ((oldest & (oldest - Slots'(1))) == '0);
      assert ((|oldest) == (|candidates_i));
      assert ((oldest & ~candidates_i) == '0);
    end
    if (chosen_q && a_q != b_q && 32'(b_q) < Slots && candidates_i[a_q] && candidates_i[b_q]) begin
      if (a_newer_q) assert (!oldest[a_q]);
      else           assert (!oldest[b_q]);
    end
  end

endmodule
