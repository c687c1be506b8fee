"""Matrix products with what follows them: on tensor cores by wgmma or mma.sync, float32 on CUDA cores."""
