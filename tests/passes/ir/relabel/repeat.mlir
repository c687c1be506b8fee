// Key heads repeated for groups of query heads: the repeat becomes a rank the keys do not have.
func.func @main(%q: tensor<2x6x5x4xf64> {penstock.kind = "input", penstock.name = "q"}, %k: tensor<2x2x7x4xf64> {penstock.kind = "input", penstock.name = "k"}) -> tensor<2x6x5x7xf64> {
  %0 = tensor.expand_shape %k [[0], [1], [2, 3], [4]] output_shape [2, 2, 1, 7, 4] : tensor<2x2x7x4xf64> into tensor<2x2x1x7x4xf64>
  %1 = "cascade.einsum"(%0) {expr = "E[b,g,r,m,e] = K[b,g,0,m,e]"} : (tensor<2x2x1x7x4xf64>) -> tensor<2x2x3x7x4xf64>
  %2 = tensor.collapse_shape %1 [[0], [1, 2], [3], [4]] : tensor<2x2x3x7x4xf64> into tensor<2x6x7x4xf64>
  %3 = "cascade.einsum"(%q, %2) {expr = "QK[b,h,p,m] = sum[e] mul(Q[b,h,p,e], K[b,h,m,e])"} : (tensor<2x6x5x4xf64>, tensor<2x6x7x4xf64>) -> tensor<2x6x5x7xf64>
  %4 = "cascade.einsum"(%3) {expr = "S[b,h,p,m] = mul(QK[b,h,p,m], 0.5)", penstock.node = "mul"} : (tensor<2x6x5x7xf64>) -> tensor<2x6x5x7xf64>
  return %4 : tensor<2x6x5x7xf64>
}
