"""Pieces of CUDA C++ that several kernels are made of, where a header cannot say them."""
