// One projection sliced in two with its bias: two projections of half the width.
func.func @main(%x: tensor<5x8xf64> {penstock.kind = "input", penstock.name = "x"}, %w: tensor<12x8xf64> {penstock.kind = "param", penstock.name = "w"}, %c: tensor<12xf64> {penstock.kind = "param", penstock.name = "c"}) -> tensor<5x6xf64> {
  %0 = "cascade.einsum"(%x, %w) {expr = "Y[s,n] = sum[d] mul(X[s,d], W[n,d])"} : (tensor<5x8xf64>, tensor<12x8xf64>) -> tensor<5x12xf64>
  %1 = "cascade.einsum"(%0, %c) {expr = "B[s,n] = add(Y[s,n], C[n])", penstock.node = "linear"} : (tensor<5x12xf64>, tensor<12xf64>) -> tensor<5x12xf64>
  %2 = tensor.expand_shape %1 [[0], [1, 2]] output_shape [5, 2, 6] : tensor<5x12xf64> into tensor<5x2x6xf64>
  %3 = "cascade.einsum"(%2) {expr = "G[s,n] = B[s,0,n]", penstock.node = "gate"} : (tensor<5x2x6xf64>) -> tensor<5x6xf64>
  %4 = "cascade.einsum"(%2) {expr = "U[s,n] = B[s,1,n]", penstock.node = "up"} : (tensor<5x2x6xf64>) -> tensor<5x6xf64>
  %5 = "cascade.einsum"(%3) {expr = "S[s,n] = silu(G[s,n])"} : (tensor<5x6xf64>) -> tensor<5x6xf64>
  %6 = "cascade.einsum"(%5, %4) {expr = "Z[s,n] = mul(S[s,n], U[s,n])", penstock.node = "mul"} : (tensor<5x6xf64>, tensor<5x6xf64>) -> tensor<5x6xf64>
  return %6 : tensor<5x6xf64>
}
