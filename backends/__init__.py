"""Back ends: bound MLIR in, a bundle out."""
