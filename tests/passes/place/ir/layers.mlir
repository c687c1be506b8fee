func.func private @layer(%x: tensor<16x64xf32>, %w: tensor<64x64xf32>, %g: tensor<16x64xf32>) -> tensor<16x64xf32> {
  %0 = "cascade.einsum"(%x, %w) {expr = "Y[m,n] = sum[k] mul(X[m,k], W[k,n])"} : (tensor<16x64xf32>, tensor<64x64xf32>) -> tensor<16x64xf32>
  %1 = "cascade.einsum"(%0) {expr = "M[m] = max[n] Y[m,n]"} : (tensor<16x64xf32>) -> tensor<16xf32>
  %2 = "cascade.einsum"(%0, %1) {expr = "S[m,n] = sub(Y[m,n], M[m])"} : (tensor<16x64xf32>, tensor<16xf32>) -> tensor<16x64xf32>
  %3 = "cascade.einsum"(%2, %g) {expr = "Z[m,n] = mul(S[m,n], G[m,n])"} : (tensor<16x64xf32>, tensor<16x64xf32>) -> tensor<16x64xf32>
  return %3 : tensor<16x64xf32>
}
func.func @main(%x: tensor<16x64xf32> {penstock.kind = "input", penstock.name = "x"}, %w0: tensor<64x64xf32> {penstock.kind = "input", penstock.name = "w0"}, %w1: tensor<64x64xf32> {penstock.kind = "input", penstock.name = "w1"}, %g: tensor<16x64xf32> {penstock.kind = "input", penstock.name = "g"}, %v: tensor<4x16x64xf32> {penstock.kind = "input", penstock.name = "v"}) -> (tensor<16x64xf32>, tensor<16xf32>) {
  %0 = func.call @layer(%x, %w0, %g) {penstock.instance = "layer.0"} : (tensor<16x64xf32>, tensor<64x64xf32>, tensor<16x64xf32>) -> tensor<16x64xf32>
  %1 = func.call @layer(%0, %w1, %g) {penstock.instance = "layer.1"} : (tensor<16x64xf32>, tensor<64x64xf32>, tensor<16x64xf32>) -> tensor<16x64xf32>
  %2 = tensor.expand_shape %1 [[0, 1], [2]] output_shape [4, 4, 64] : tensor<16x64xf32> into tensor<4x4x64xf32>
  %3 = "cascade.einsum"(%2, %v) {expr = "T[a,b,c] = sum[d] mul(P[a,b,d], V[a,c,d])"} : (tensor<4x4x64xf32>, tensor<4x16x64xf32>) -> tensor<4x4x16xf32>
  %4 = "cascade.einsum"(%0, %1) {expr = "R[m] = sum[n] mul(A[m,n], B[m,n])"} : (tensor<16x64xf32>, tensor<16x64xf32>) -> tensor<16xf32>
  %5 = "cascade.einsum"(%3) {expr = "U[a,b] = sum[c] T[a,b,c]"} : (tensor<4x4x16xf32>) -> tensor<4x4xf32>
  %6 = tensor.collapse_shape %5 [[0, 1]] : tensor<4x4xf32> into tensor<16xf32>
  %7 = "cascade.einsum"(%6, %4) {expr = "Q[m] = add(U[m], R[m])"} : (tensor<16xf32>, tensor<16xf32>) -> tensor<16xf32>
  return %1, %7 : tensor<16x64xf32>, tensor<16xf32>
}
