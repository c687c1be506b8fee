// The same sum twice under other rank names, a sum nobody reads, a copy, a cast to the same type, a constant.
func.func @main(%x: tensor<3x8xf64> {penstock.kind = "input", penstock.name = "x"}) -> tensor<3x8xf64> {
  %0 = "cascade.einsum"(%x) {expr = "S[s] = sum[d] X[s,d]"} : (tensor<3x8xf64>) -> tensor<3xf64>
  %1 = "cascade.einsum"(%x) {expr = "T[p] = sum[e] X[p,e]", penstock.node = "sum_1"} : (tensor<3x8xf64>) -> tensor<3xf64>
  %2 = "cascade.einsum"(%x) {expr = "U[d] = sum[s] X[s,d]"} : (tensor<3x8xf64>) -> tensor<8xf64>
  %3 = "cascade.einsum"(%x) {expr = "C[s,d] = X[s,d]"} : (tensor<3x8xf64>) -> tensor<3x8xf64>
  %4 = "cascade.einsum"(%3) {expr = "F[s,d] = to_float(C[s,d])", penstock.node = "to"} : (tensor<3x8xf64>) -> tensor<3x8xf64>
  %5 = "cascade.einsum"() {expr = "HALF[s,d] = div(1.0, 2.0)"} : () -> tensor<3x8xf64>
  %6 = "cascade.einsum"(%4, %5) {expr = "G[s,d] = mul(F[s,d], HALF[s,d])", penstock.node = "mul"} : (tensor<3x8xf64>, tensor<3x8xf64>) -> tensor<3x8xf64>
  %7 = "cascade.einsum"(%6) {expr = "H[s,d] = div(G[s,d], 1)"} : (tensor<3x8xf64>) -> tensor<3x8xf64>
  %8 = "cascade.einsum"(%0, %1) {expr = "V[s] = add(S[s], T[s])"} : (tensor<3xf64>, tensor<3xf64>) -> tensor<3xf64>
  %9 = "cascade.einsum"(%7, %8) {expr = "W[s,d] = sub(H[s,d], V[s])"} : (tensor<3x8xf64>, tensor<3xf64>) -> tensor<3x8xf64>
  %10 = "cascade.einsum"(%9) {expr = "E[s,d] = exp(W[s,d])", penstock.node = "exp"} : (tensor<3x8xf64>) -> tensor<3x8xf64>
  return %10 : tensor<3x8xf64>
}
