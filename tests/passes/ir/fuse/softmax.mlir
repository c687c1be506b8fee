// Softmax on its own, its weights needed outside: the row stays, three passes over it.
func.func @main(%x: tensor<4x9xf64> {penstock.kind = "input", penstock.name = "x"}) -> tensor<4x9xf64> {
  %0 = "cascade.einsum"(%x) {expr = "Y[s,d] = mul(X[s,d], 2.0)"} : (tensor<4x9xf64>) -> tensor<4x9xf64>
  %1 = "cascade.einsum"(%0) {expr = "GM[s] = max[d] Y[s,d]"} : (tensor<4x9xf64>) -> tensor<4xf64>
  %2 = "cascade.einsum"(%0, %1) {expr = "SN[s,d] = exp_sub(Y[s,d], GM[s])"} : (tensor<4x9xf64>, tensor<4xf64>) -> tensor<4x9xf64>
  %3 = "cascade.einsum"(%2) {expr = "SD[s] = sum[d] SN[s,d]"} : (tensor<4x9xf64>) -> tensor<4xf64>
  %4 = "cascade.einsum"(%2, %3) {expr = "A[s,d] = div(SN[s,d], SD[s])", penstock.node = "softmax"} : (tensor<4x9xf64>, tensor<4xf64>) -> tensor<4x9xf64>
  return %4 : tensor<4x9xf64>
}
