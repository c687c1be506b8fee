// A mesh of switches of one plane, the units' sides outside, and a control network over the units' tokens.
//
// Switch n is configured where cfg_unit_i = n, the control network where cfg_unit_i = 63.

module sn40l_mesh_harness #(
  parameter  int unsigned Rows        = 2,
  parameter  int unsigned Cols        = 3,
  parameter  int unsigned HopDepth    = 2,
  localparam int unsigned Nodes       = Rows * Cols,
  localparam int unsigned Tokens      = sn40l_pkg::Tokens,
  localparam int unsigned PacketWidth = sn40l_pkg::PacketWidth
) (
  input  logic                              clk_i,
  input  logic                              rst_ni,
  input  logic                              cfg_valid_i,
  input  logic [5:0]                        cfg_unit_i,
  input  logic [11:0]                       cfg_addr_i,
  input  logic [31:0]                       cfg_data_i,
  input  logic [Nodes-1:0]                  tx_valid_i,
  output logic [Nodes-1:0]                  tx_ready_o,
  input  logic [Nodes-1:0][PacketWidth-1:0] tx_packet_i,
  output logic [Nodes-1:0]                  rx_valid_o,
  input  logic [Nodes-1:0]                  rx_ready_i,
  output logic [Nodes-1:0][PacketWidth-1:0] rx_packet_o,
  output logic [Nodes-1:0][31:0]            stalls_o,
  output logic [Nodes-1:0][31:0]            strays_o,
  input  logic [Nodes-1:0][Tokens-1:0]      source_i,
  output logic [Nodes-1:0][Tokens-1:0]      sink_o
);

  sn40l_control #(.Wires(Nodes * Tokens)) i_control (
    .clk_i,
    .rst_ni,
    .cfg_valid_i(cfg_valid_i && cfg_unit_i == 6'd63),
    .cfg_addr_i,
    .cfg_data_i,
    .source_i,
    .sink_o
  );

  for (genvar y = 0; y < Rows; y++) begin : gen_row
    for (genvar x = 0; x < Cols; x++) begin : gen_node
      localparam int unsigned Node = y * Cols + x;

      logic [4:0]             in_valid, in_credit, out_valid, out_credit;
      logic [PacketWidth-1:0] in_north, in_east, in_south, in_west;
      logic [PacketWidth-1:0] out_north, out_east, out_south, out_west;

      sn40l_switch #(.HopDepth(HopDepth)) i_switch (
        .clk_i,
        .rst_ni,
        .cfg_valid_i (cfg_valid_i && cfg_unit_i == 6'(Node)),
        .cfg_addr_i  (cfg_addr_i[8:0]),
        .cfg_data_i,
        .in_valid_i  (in_valid),
        .in_local_i  (tx_packet_i[Node]),
        .in_north_i  (in_north),
        .in_east_i   (in_east),
        .in_south_i  (in_south),
        .in_west_i   (in_west),
        .in_ready_o  (tx_ready_o[Node]),
        .in_credit_o (in_credit),
        .out_valid_o (out_valid),
        .out_local_o (rx_packet_o[Node]),
        .out_north_o (out_north),
        .out_east_o  (out_east),
        .out_south_o (out_south),
        .out_west_o  (out_west),
        .out_ready_i (rx_ready_i[Node]),
        .out_credit_i(out_credit),
        .stalls_o    (stalls_o[Node]),
        .strays_o    (strays_o[Node])
      );

      assign in_valid[0]      = tx_valid_i[Node];
      assign rx_valid_o[Node] = out_valid[0];
      assign out_credit[0]    = 1'b0;

      if (y > 0) begin : gen_north
        assign in_valid[1]   = gen_row[y-1].gen_node[x].out_valid[3];
        assign in_north      = gen_row[y-1].gen_node[x].out_south;
        assign out_credit[1] = gen_row[y-1].gen_node[x].in_credit[3];
      end else begin : gen_no_north
        assign {in_valid[1], in_north, out_credit[1]} = '0;
      end
      if (x < Cols - 1) begin : gen_east
        assign in_valid[2]   = gen_row[y].gen_node[x+1].out_valid[4];
        assign in_east       = gen_row[y].gen_node[x+1].out_west;
        assign out_credit[2] = gen_row[y].gen_node[x+1].in_credit[4];
      end else begin : gen_no_east
        assign {in_valid[2], in_east, out_credit[2]} = '0;
      end
      if (y < Rows - 1) begin : gen_south
        assign in_valid[3]   = gen_row[y+1].gen_node[x].out_valid[1];
        assign in_south      = gen_row[y+1].gen_node[x].out_north;
        assign out_credit[3] = gen_row[y+1].gen_node[x].in_credit[1];
      end else begin : gen_no_south
        assign {in_valid[3], in_south, out_credit[3]} = '0;
      end
      if (x > 0) begin : gen_west
        assign in_valid[4]   = gen_row[y].gen_node[x-1].out_valid[2];
        assign in_west       = gen_row[y].gen_node[x-1].out_east;
        assign out_credit[4] = gen_row[y].gen_node[x-1].in_credit[2];
      end else begin : gen_no_west
        assign {in_valid[4], in_west, out_credit[4]} = '0;
      end
    end
  end

endmodule
