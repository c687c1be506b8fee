#index = affine_map<(d0, d1, d2) -> (d0, d1)>
#whole = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
module {
  func.func private @layer(%x: tensor<1x3x100xf32> {penstock.kind = "value"}, %w: tensor<100xf32> {penstock.kind = "param"}) -> tensor<1x3x100xf32> {
    %0 = "cascade.einsum"(%x, %w) {expr = "Y[b,s,d] = mul(X[b,s,d], W[d])"} : (tensor<1x3x100xf32>, tensor<100xf32>) -> tensor<1x3x100xf32>
    return %0 : tensor<1x3x100xf32>
  }
  func.func @main(%ids: tensor<1x3xi64> {penstock.kind = "input", penstock.name = "ids", penstock.private}, %kinds: tensor<1x3xi64> {penstock.kind = "input", penstock.name = "kinds"}, %words: tensor<40x100xf32> {penstock.kind = "param", penstock.name = "words"}, %marks: tensor<40x100xf32> {penstock.kind = "param", penstock.name = "marks"}, %w: tensor<100xf32> {penstock.kind = "param", penstock.name = "w"}) -> (tensor<1x3x100xf32> {penstock.name = "y"}, tensor<1x3x100xf32> {penstock.name = "z"}) {
    %0 = call @gather(%words, %ids) {penstock.node = "embedding"} : (tensor<40x100xf32>, tensor<1x3xi64>) -> tensor<1x3x100xf32>
    %1 = "cascade.einsum"(%ids) {expr = "Next[b,s] = add(Ids[b,s], 1)"} : (tensor<1x3xi64>) -> tensor<1x3xi64>
    %2 = call @gather(%marks, %1) {penstock.node = "embedding_1"} : (tensor<40x100xf32>, tensor<1x3xi64>) -> tensor<1x3x100xf32>
    %3 = call @gather(%words, %kinds) {penstock.node = "embedding_2"} : (tensor<40x100xf32>, tensor<1x3xi64>) -> tensor<1x3x100xf32>
    %4 = "cascade.einsum"(%0, %2) {expr = "Sum[b,s,d] = add(Row[b,s,d], Mark[b,s,d])"} : (tensor<1x3x100xf32>, tensor<1x3x100xf32>) -> tensor<1x3x100xf32>
    %5 = call @layer(%4, %w) {penstock.instance = "layer.0"} : (tensor<1x3x100xf32>, tensor<100xf32>) -> tensor<1x3x100xf32>
    return %5, %3 : tensor<1x3x100xf32>, tensor<1x3x100xf32>
  }
  func.func private @gather(%table: tensor<40x100xf32>, %index: tensor<1x3xi64>) -> tensor<1x3x100xf32> attributes {penstock.rows, penstock.upstream} {
    %empty = tensor.empty() : tensor<1x3x100xf32>
    %0 = linalg.generic {indexing_maps = [#index, #whole], iterator_types = ["parallel", "parallel", "parallel"]} ins(%index : tensor<1x3xi64>) outs(%empty : tensor<1x3x100xf32>) {
    ^bb0(%in: i64, %out: f32):
      %zero = arith.constant 0 : index
      %rows = arith.constant 40 : index
      %i = arith.index_cast %in : i64 to index
      %low = arith.cmpi slt, %i, %zero : index
      %up = arith.addi %i, %rows : index
      %w = arith.select %low, %up, %i : index
      %valid = arith.cmpi ult, %w, %rows : index
      %row = arith.select %valid, %w, %zero : index
      %d = linalg.index 2 : index
      %element = tensor.extract %table[%row, %d] : tensor<40x100xf32>
      %nan = arith.constant 0x7FC00000 : f32
      %value = arith.select %valid, %element, %nan : f32
      linalg.yield %value : f32
    } -> tensor<1x3x100xf32>
    return %0 : tensor<1x3x100xf32>
  }
}
