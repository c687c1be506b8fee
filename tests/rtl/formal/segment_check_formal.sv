// The segment check on narrow fields: what it lets pass stays in the segment with every byte of every row, and may
// be done; what it refuses is wrong. Rows i1, i2 and the byte are free, so the claims are of all of them.

module segment_check_formal #(
  parameter int unsigned OffsetWidth = 4,
  parameter int unsigned LenWidth    = 2,
  parameter int unsigned CountWidth  = 2,
  parameter int unsigned StrideWidth = 3,
  parameter int unsigned ExpertWidth = 2
) (
  input logic                   read_i,
  input logic                   write_i,
  input logic [ExpertWidth-1:0] expert_i,
  input logic [OffsetWidth-1:0] offset_i,
  input logic [LenWidth-1:0]    len_i,
  input logic [CountWidth-1:0]  n1_i,
  input logic [CountWidth-1:0]  n2_i,
  input logic [StrideWidth-1:0] stride1_i,
  input logic [StrideWidth-1:0] stride2_i,
  input logic                   may_read_i,
  input logic                   may_write_i,
  input logic [ExpertWidth-1:0] owner_i,
  input logic [OffsetWidth-1:0] base_i,
  input logic [OffsetWidth-1:0] limit_i,
  // Any byte of any row
  input logic [CountWidth-1:0]  i1_i,
  input logic [CountWidth-1:0]  i2_i,
  input logic [LenWidth-1:0]    byte_i
);

  localparam int unsigned Wide = 12;

  logic [3:0] code;

  sn40l_segment_check #(
    .OffsetWidth(OffsetWidth),
    .LenWidth   (LenWidth),
    .CountWidth (CountWidth),
    .StrideWidth(StrideWidth),
    .ExpertWidth(ExpertWidth)
  ) i_check (
    .read_i,
    .write_i,
    .expert_i,
    .offset_i,
    .len_i,
    .n1_i,
    .n2_i,
    .stride1_i,
    .stride2_i,
    .may_read_i,
    .may_write_i,
    .owner_i,
    .base_i,
    .limit_i,
    .code_o(code)
  );

  // Signed numbers in two's complement, wide enough for all sums; multiples by adding.
  function automatic logic [Wide-1:0] times(input logic [CountWidth-1:0] n, input logic [StrideWidth-1:0] stride);
    times = '0;
    for (int unsigned k = 0; k < 2 ** CountWidth - 1; k++) begin
      if (k < 32'(n)) times = times + {{(Wide - StrideWidth){stride[StrideWidth-1]}}, stride};
    end
  endfunction

  function automatic logic outside(
    input logic [Wide-1:0] at, input logic [OffsetWidth-1:0] base, input logic [OffsetWidth-1:0] limit
  );
    outside = at[Wide-1] || at >= Wide'(limit) || at + Wide'(base) >= Wide'(2 ** OffsetWidth);
  endfunction

  wire [Wide-1:0] row = Wide'(offset_i) + times(i1_i, stride1_i) + times(i2_i, stride2_i);
  wire            inside_shape = i1_i < n1_i && i2_i < n2_i && byte_i < len_i;
  wire            none = n1_i == '0 || n2_i == '0 || len_i == '0;
  wire            stranger = owner_i != '1 && owner_i != expert_i;
  wire            forbidden = (read_i && !may_read_i) || (write_i && !may_write_i);

  // The corners: first and last row each way, first and last byte.
  logic corner_outside;
  always_comb begin
    corner_outside = 1'b0;
    for (int unsigned k = 0; k < 8; k++) begin
      corner_outside = corner_outside | outside(
        Wide'(offset_i) + times(k[0] ? n1_i - CountWidth'(1) : '0, stride1_i)
                        + times(k[1] ? n2_i - CountWidth'(1) : '0, stride2_i)
                        + (k[2] ? Wide'(len_i) - Wide'(1) : '0), base_i, limit_i);
    end
  end

  always_comb begin
    if (code == sn40l_mem_pkg::CodeOkay) begin
      assert (!none && !stranger && !forbidden);
      if (inside_shape) assert (!outside(row + Wide'(byte_i), base_i, limit_i));
    end
    if (code == sn40l_mem_pkg::CodeShape) assert (none);
    if (code == sn40l_mem_pkg::CodeExpert) assert (stranger && !none);
    if (code == sn40l_mem_pkg::CodePermit) assert (forbidden && !none && !stranger);
    if (code == sn40l_mem_pkg::CodeBounds) assert (corner_outside && !none && !stranger && !forbidden);
    assert (code <= sn40l_mem_pkg::CodeExpert);
  end

endmodule
