// Views and copies that something else than an Einsum needs stay: a call reads one, the caller another.
func.func private @other(%x: tensor<6x4xf64>) -> tensor<6x4xf64> attributes {penstock.upstream} {
  return %x : tensor<6x4xf64>
}
func.func @main(%x: tensor<2x3x4xf64> {penstock.kind = "input", penstock.name = "x"}) -> (tensor<6x4xf64>, tensor<4x3x2xf64>) {
  %0 = "cascade.einsum"(%x) {expr = "Y[a,b,c] = exp(X[a,b,c])", penstock.node = "exp"} : (tensor<2x3x4xf64>) -> tensor<2x3x4xf64>
  %1 = tensor.collapse_shape %0 [[0, 1], [2]] {penstock.node = "view"} : tensor<2x3x4xf64> into tensor<6x4xf64>
  %2 = func.call @other(%1) : (tensor<6x4xf64>) -> tensor<6x4xf64>
  %3 = "cascade.einsum"(%0) {expr = "T[c,b,a] = Y[a,b,c]", penstock.node = "permute"} : (tensor<2x3x4xf64>) -> tensor<4x3x2xf64>
  return %2, %3 : tensor<6x4xf64>, tensor<4x3x2xf64>
}
