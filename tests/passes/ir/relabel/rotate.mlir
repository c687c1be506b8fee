// Rotary embedding: halves swapped by slices and a concatenation, then blended.
func.func @main(%x: tensor<3x8xf64> {penstock.kind = "input", penstock.name = "x"}, %cos: tensor<3x8xf64> {penstock.kind = "param", penstock.name = "cos"}, %sin: tensor<3x8xf64> {penstock.kind = "param", penstock.name = "sin"}) -> tensor<3x8xf64> {
  %0 = tensor.expand_shape %x [[0], [1, 2]] output_shape [3, 2, 4] : tensor<3x8xf64> into tensor<3x2x4xf64>
  %1 = "cascade.einsum"(%0) {expr = "H[s,e] = X[s,1,e]"} : (tensor<3x2x4xf64>) -> tensor<3x4xf64>
  %2 = "cascade.einsum"(%1) {expr = "N[s,e] = neg(H[s,e])"} : (tensor<3x4xf64>) -> tensor<3x4xf64>
  %3 = "cascade.einsum"(%0) {expr = "L[s,e] = X[s,0,e]"} : (tensor<3x2x4xf64>) -> tensor<3x4xf64>
  %4 = "cascade.einsum"() {expr = "HERE[t] = eq(@t, 0)"} : () -> tensor<2xi1>
  %5 = "cascade.einsum"(%4, %2, %3) {expr = "C[s,t,e] = where(HERE[t], N[s,e], L[s,e])"} : (tensor<2xi1>, tensor<3x4xf64>, tensor<3x4xf64>) -> tensor<3x2x4xf64>
  %6 = tensor.collapse_shape %5 [[0], [1, 2]] {penstock.node = "cat"} : tensor<3x2x4xf64> into tensor<3x8xf64>
  %7 = "cascade.einsum"(%x, %cos) {expr = "A[s,e] = mul(X[s,e], COS[s,e])"} : (tensor<3x8xf64>, tensor<3x8xf64>) -> tensor<3x8xf64>
  %8 = "cascade.einsum"(%6, %sin) {expr = "B[s,e] = mul(C[s,e], SIN[s,e])"} : (tensor<3x8xf64>, tensor<3x8xf64>) -> tensor<3x8xf64>
  %9 = "cascade.einsum"(%7, %8) {expr = "Y[s,e] = add(A[s,e], B[s,e])"} : (tensor<3x8xf64>, tensor<3x8xf64>) -> tensor<3x8xf64>
  return %9 : tensor<3x8xf64>
}
