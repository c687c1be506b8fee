"""MEMO (SIGMOD 2025, arXiv 2407.12117): what of a layer is kept, swapped or recomputed, and where it lies."""
