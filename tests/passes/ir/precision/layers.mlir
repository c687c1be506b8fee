// A layer called twice: its weights become bf16 and are rounded at compile time; what it is handed and what it
// makes is rounded once, where it is made, however many read it. The table that a gather reads too stays as it
// is, with a rounded one beside it. Sums of squares, means and what is f64 are left alone.
func.func private @gather(%t: tensor<4x6xf32>, %i: tensor<3xi64>) -> tensor<3x6xf32> attributes {penstock.upstream} {
  %0 = tensor.empty() : tensor<3x6xf32>
  %1 = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0)>, affine_map<(d0, d1) -> (d0, d1)>],
      iterator_types = ["parallel", "parallel"]} ins(%i : tensor<3xi64>) outs(%0 : tensor<3x6xf32>) {
  ^bb0(%in: i64, %out: f32):
    %2 = arith.index_cast %in : i64 to index
    %3 = linalg.index 1 : index
    %4 = tensor.extract %t[%2, %3] : tensor<4x6xf32>
    linalg.yield %4 : f32
  } -> tensor<3x6xf32>
  return %1 : tensor<3x6xf32>
}
func.func private @layer(%x: tensor<3x6xf32>, %w: tensor<6x6xf32> {penstock.kind = "param", penstock.name = "w"},
    %b: tensor<6xf32> {penstock.kind = "param", penstock.name = "b"}) -> tensor<3x6xf32> {
  %0 = "cascade.einsum"(%x, %w) {expr = "Q[s,n] = sum[d] mul(X[s,d], W[n,d])"}
    : (tensor<3x6xf32>, tensor<6x6xf32>) -> tensor<3x6xf32>
  %1 = "cascade.einsum"(%x, %w) {expr = "K[s,n] = sum[d] mul(X[s,d], W[d,n])"}
    : (tensor<3x6xf32>, tensor<6x6xf32>) -> tensor<3x6xf32>
  %2 = "cascade.einsum"(%0, %1) {expr = "QK[p,m] = sum[d] mul(Q[p,d], K[m,d])"}
    : (tensor<3x6xf32>, tensor<3x6xf32>) -> tensor<3x3xf32>
  %3 = "cascade.einsum"(%2, %0) {expr = "V[p,d] = sum[m] mul(QK[p,m], Q[m,d])"}
    : (tensor<3x3xf32>, tensor<3x6xf32>) -> tensor<3x6xf32>
  %4 = "cascade.einsum"(%3, %3) {expr = "N[p] = sum[d] mul(V[p,d], V[p,d])"}
    : (tensor<3x6xf32>, tensor<3x6xf32>) -> tensor<3xf32>
  %5 = "cascade.einsum"(%3, %4) {expr = "U[p,d] = div(V[p,d], N[p])"}
    : (tensor<3x6xf32>, tensor<3xf32>) -> tensor<3x6xf32>
  %6 = "cascade.einsum"(%5, %b) {expr = "Y[s,n] = add(U[s,n], B[n])"}
    : (tensor<3x6xf32>, tensor<6xf32>) -> tensor<3x6xf32>
  return %6 : tensor<3x6xf32>
}
func.func @main(%i: tensor<3xi64> {penstock.kind = "input", penstock.name = "i"},
    %t: tensor<4x6xf32> {penstock.kind = "param", penstock.name = "table"},
    %w0: tensor<6x6xf32> {penstock.kind = "param", penstock.name = "0.w"},
    %b0: tensor<6xf32> {penstock.kind = "param", penstock.name = "0.b"},
    %w1: tensor<6x6xf32> {penstock.kind = "param", penstock.name = "1.w"},
    %b1: tensor<6xf32> {penstock.kind = "param", penstock.name = "1.b"},
    %f: tensor<12xf32> {penstock.kind = "param", penstock.name = "flat"},
    %a: tensor<5x2xf64> {penstock.kind = "input", penstock.name = "a"},
    %c: tensor<2x3xf64> {penstock.kind = "input", penstock.name = "c"})
    -> (tensor<3x4xf32> {penstock.name = "y"}, tensor<3x2xf32> {penstock.name = "z"},
        tensor<5x3xf64> {penstock.name = "g"}) {
  %0 = call @gather(%t, %i) : (tensor<4x6xf32>, tensor<3xi64>) -> tensor<3x6xf32>
  %1 = call @layer(%0, %w0, %b0) {penstock.instance = "0"}
    : (tensor<3x6xf32>, tensor<6x6xf32>, tensor<6xf32>) -> tensor<3x6xf32>
  %2 = call @layer(%1, %w1, %b1) {penstock.instance = "1"}
    : (tensor<3x6xf32>, tensor<6x6xf32>, tensor<6xf32>) -> tensor<3x6xf32>
  %3 = "cascade.einsum"(%2, %t) {expr = "Y[s,v] = sum[d] mul(H[s,d], T[v,d])"}
    : (tensor<3x6xf32>, tensor<4x6xf32>) -> tensor<3x4xf32>
  %4 = tensor.expand_shape %f [[0, 1]] output_shape [2, 6] : tensor<12xf32> into tensor<2x6xf32>
  %5 = "cascade.einsum"(%2, %4) {expr = "Z[s,v] = sum[d] mul(H[s,d], F[v,d])"}
    : (tensor<3x6xf32>, tensor<2x6xf32>) -> tensor<3x2xf32>
  %6 = "cascade.einsum"(%a, %c) {expr = "G[i,j] = sum[k] mul(A[i,k], C[k,j])"}
    : (tensor<5x2xf64>, tensor<2x3xf64>) -> tensor<5x3xf64>
  return %3, %5, %6 : tensor<3x4xf32>, tensor<3x2xf32>, tensor<5x3xf64>
}
