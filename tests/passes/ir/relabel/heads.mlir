// A projection split into heads, transposed, attended to by itself, merged and projected again: no copy stays.
func.func @main(%x: tensor<2x5x8xf64> {penstock.kind = "input", penstock.name = "x"}, %w: tensor<6x8xf64> {penstock.kind = "param", penstock.name = "q.weight"}, %o: tensor<8x6xf64> {penstock.kind = "param", penstock.name = "o.weight"}) -> tensor<2x5x8xf64> {
  %0 = "cascade.einsum"(%x, %w) {expr = "Y[b,s,n] = sum[d] mul(X[b,s,d], W[n,d])", penstock.node = "linear"} : (tensor<2x5x8xf64>, tensor<6x8xf64>) -> tensor<2x5x6xf64>
  %1 = tensor.expand_shape %0 [[0], [1], [2, 3]] output_shape [2, 5, 3, 2] {penstock.node = "view"} : tensor<2x5x6xf64> into tensor<2x5x3x2xf64>
  %2 = "cascade.einsum"(%1) {expr = "T[b,h,s,e] = Y[b,s,h,e]", penstock.node = "transpose"} : (tensor<2x5x3x2xf64>) -> tensor<2x3x5x2xf64>
  %3 = "cascade.einsum"(%2, %2) {expr = "QK[b,h,p,m] = sum[e] mul(T[b,h,p,e], T[b,h,m,e])"} : (tensor<2x3x5x2xf64>, tensor<2x3x5x2xf64>) -> tensor<2x3x5x5xf64>
  %4 = "cascade.einsum"(%3, %2) {expr = "AV[b,h,p,f] = sum[m] mul(QK[b,h,p,m], T[b,h,m,f])", penstock.node = "matmul"} : (tensor<2x3x5x5xf64>, tensor<2x3x5x2xf64>) -> tensor<2x3x5x2xf64>
  %5 = "cascade.einsum"(%4) {expr = "U[b,s,h,e] = AV[b,h,s,e]", penstock.node = "transpose_1"} : (tensor<2x3x5x2xf64>) -> tensor<2x5x3x2xf64>
  %6 = tensor.collapse_shape %5 [[0], [1], [2, 3]] {penstock.node = "reshape"} : tensor<2x5x3x2xf64> into tensor<2x5x6xf64>
  %7 = "cascade.einsum"(%6, %o) {expr = "Z[b,s,n] = sum[d] mul(U[b,s,d], W[n,d])", penstock.node = "linear_1"} : (tensor<2x5x6xf64>, tensor<8x6xf64>) -> tensor<2x5x8xf64>
  return %7 : tensor<2x5x8xf64>
}
