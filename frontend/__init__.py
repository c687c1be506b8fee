"""From PyTorch to Einsums: torch.export, then every ATen op as a few Einsums with named ranks.

What has no Einsum form passes through as upstream MLIR (`upstream`); identical layers are raised once
(`sharing`). `torch_export.raise_model` is the way in, `sources.resolve` reads a MODEL argument.
"""
