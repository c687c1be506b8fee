// Attention over a padding mask and the causal one: three passes over m become one.
func.func @main(%q: tensor<2x3x5x8xf64> {penstock.kind = "input", penstock.name = "q"}, %k: tensor<2x3x300x8xf64> {penstock.kind = "input", penstock.name = "k"}, %v: tensor<2x3x300x4xf64> {penstock.kind = "input", penstock.name = "v"}, %mask: tensor<2x1x1x300xi1> {penstock.kind = "input", penstock.name = "mask"}) -> tensor<2x3x5x4xf64> {
  %0 = "cascade.einsum"(%q, %k) {expr = "QK[b,h,p,m] = sum[e] mul(Q[b,h,p,e], K[b,h,m,e])"} : (tensor<2x3x5x8xf64>, tensor<2x3x300x8xf64>) -> tensor<2x3x5x300xf64>
  %1 = "cascade.einsum"(%0) {expr = "QKS[b,h,p,m] = mul(QK[b,h,p,m], 0.35)"} : (tensor<2x3x5x300xf64>) -> tensor<2x3x5x300xf64>
  %2 = "cascade.einsum"() {expr = "CM[p,m] = le(@m, @(p+290))"} : () -> tensor<5x300xi1>
  %3 = "cascade.einsum"(%2, %1) {expr = "QKC[b,h,p,m] = where(CM[p,m], QKS[b,h,p,m], -inf)"} : (tensor<5x300xi1>, tensor<2x3x5x300xf64>) -> tensor<2x3x5x300xf64>
  %4 = "cascade.einsum"(%mask, %3) {expr = "QKM[b,h,p,m] = where(MASK[b,0,0,m], QKC[b,h,p,m], -inf)"} : (tensor<2x1x1x300xi1>, tensor<2x3x5x300xf64>) -> tensor<2x3x5x300xf64>
  %5 = "cascade.einsum"(%4) {expr = "GM[b,h,p] = max[m] QKM[b,h,p,m]"} : (tensor<2x3x5x300xf64>) -> tensor<2x3x5xf64>
  %6 = "cascade.einsum"(%4, %5) {expr = "SN[b,h,p,m] = exp_sub_left(QKM[b,h,p,m], GM[b,h,p])"} : (tensor<2x3x5x300xf64>, tensor<2x3x5xf64>) -> tensor<2x3x5x300xf64>
  %7 = "cascade.einsum"(%6) {expr = "SD[b,h,p] = sum[m] SN[b,h,p,m]"} : (tensor<2x3x5x300xf64>) -> tensor<2x3x5xf64>
  %8 = "cascade.einsum"(%6, %7) {expr = "A[b,h,p,m] = div_left(SN[b,h,p,m], SD[b,h,p])"} : (tensor<2x3x5x300xf64>, tensor<2x3x5xf64>) -> tensor<2x3x5x300xf64>
  %9 = "cascade.einsum"(%8, %v) {expr = "AV[b,h,p,f] = sum[m] mul(A[b,h,p,m], V[b,h,m,f])", penstock.node = "attention"} : (tensor<2x3x5x300xf64>, tensor<2x3x300x4xf64>) -> tensor<2x3x5x4xf64>
  return %9 : tensor<2x3x5x4xf64>
}
