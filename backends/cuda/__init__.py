"""The CUDA back end: fused cascades as CUDA C++ compiled by NVRTC, a launch list, one device allocation."""
