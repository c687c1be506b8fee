"""Cost models, RTL simulation, comparison with references, and reports."""
