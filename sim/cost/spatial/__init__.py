"""Cost of cascades on spatial accelerators: the paper's closed forms, a physical model, epoch by epoch."""
