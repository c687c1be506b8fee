// Residual, layer norm, two projections with bias, activation and residual, an upstream call between.
func.func private @other(%x: tensor<5x8xf64>) -> tensor<5x8xf64> attributes {penstock.upstream} {
  return %x : tensor<5x8xf64>
}
func.func @main(%x: tensor<5x8xf64> {penstock.kind = "input", penstock.name = "x"}, %w: tensor<16x8xf64> {penstock.kind = "param", penstock.name = "up"}, %c: tensor<16xf64> {penstock.kind = "param", penstock.name = "bias"}, %u: tensor<8x16xf64> {penstock.kind = "param", penstock.name = "down"}) -> tensor<5x8xf64> {
  %0 = "cascade.einsum"(%x) {expr = "S[s] = sum[d] X[s,d]"} : (tensor<5x8xf64>) -> tensor<5xf64>
  %1 = "cascade.einsum"(%0) {expr = "MU[s] = div(S[s], 8.0)"} : (tensor<5xf64>) -> tensor<5xf64>
  %2 = "cascade.einsum"(%x, %1) {expr = "XC[s,d] = sub(X[s,d], MU[s])"} : (tensor<5x8xf64>, tensor<5xf64>) -> tensor<5x8xf64>
  %3 = "cascade.einsum"(%2) {expr = "SQ[s] = sum[d] square(XC[s,d])"} : (tensor<5x8xf64>) -> tensor<5xf64>
  %4 = "cascade.einsum"(%3) {expr = "R[s] = rsqrt(SQ[s])"} : (tensor<5xf64>) -> tensor<5xf64>
  %5 = "cascade.einsum"(%2, %4) {expr = "XN[s,d] = mul(XC[s,d], R[s])", penstock.node = "layer_norm"} : (tensor<5x8xf64>, tensor<5xf64>) -> tensor<5x8xf64>
  %6 = "cascade.einsum"(%5, %w) {expr = "U[s,n] = sum[d] mul(XN[s,d], W[n,d])"} : (tensor<5x8xf64>, tensor<16x8xf64>) -> tensor<5x16xf64>
  %7 = "cascade.einsum"(%6, %c) {expr = "UB[s,n] = add(U[s,n], C[n])", penstock.node = "linear"} : (tensor<5x16xf64>, tensor<16xf64>) -> tensor<5x16xf64>
  %8 = "cascade.einsum"(%7) {expr = "G[s,n] = gelu(UB[s,n])", penstock.node = "gelu"} : (tensor<5x16xf64>) -> tensor<5x16xf64>
  %9 = "cascade.einsum"(%8, %u) {expr = "D[s,d] = sum[n] mul(G[s,n], W[d,n])", penstock.node = "linear_1"} : (tensor<5x16xf64>, tensor<8x16xf64>) -> tensor<5x8xf64>
  %10 = "cascade.einsum"(%9, %5) {expr = "Y[s,d] = add(D[s,d], XN[s,d])", penstock.node = "add"} : (tensor<5x8xf64>, tensor<5x8xf64>) -> tensor<5x8xf64>
  %11 = func.call @other(%10) {penstock.node = "sort"} : (tensor<5x8xf64>) -> tensor<5x8xf64>
  %12 = "cascade.einsum"(%11) {expr = "T[s,d] = tanh(Y[s,d])"} : (tensor<5x8xf64>) -> tensor<5x8xf64>
  %13 = "cascade.einsum"(%12, %10) {expr = "Z[s,d] = mul(T[s,d], Y[s,d])", penstock.node = "mul"} : (tensor<5x8xf64>, tensor<5x8xf64>) -> tensor<5x8xf64>
  return %13 : tensor<5x8xf64>
}
