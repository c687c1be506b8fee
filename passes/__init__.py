"""Transformations of the IR: analyse, relabel, simplify, fuse, quantize, place. Each: MLIR in, MLIR out."""
