"""Kernels of fused cascades on tensor cores: read off the Einsums, written as CUDA C++."""
