// A mean that keeps its dimension: the size-one rank goes.
func.func @main(%x: tensor<2x5x8xf64> {penstock.kind = "input", penstock.name = "x"}) -> tensor<2x5x8xf64> {
  %0 = "cascade.einsum"(%x) {expr = "S[b,s] = sum[d] X[b,s,d]"} : (tensor<2x5x8xf64>) -> tensor<2x5xf64>
  %1 = tensor.expand_shape %0 [[0], [1, 2]] output_shape [2, 5, 1] : tensor<2x5xf64> into tensor<2x5x1xf64>
  %2 = "cascade.einsum"(%1) {expr = "M[b,s,u] = div(S[b,s,u], 8.0)", penstock.node = "mean"} : (tensor<2x5x1xf64>) -> tensor<2x5x1xf64>
  %3 = "cascade.einsum"(%x, %2) {expr = "C[b,s,d] = sub(X[b,s,d], M[b,s,0])", penstock.node = "sub"} : (tensor<2x5x8xf64>, tensor<2x5x1xf64>) -> tensor<2x5x8xf64>
  return %3 : tensor<2x5x8xf64>
}
