"""Ordinary kernels from cascades: a thread a point, or a block a row with shared memory between Einsums."""
