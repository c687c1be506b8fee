"""Papers' published figures beside ours, one module for each paper; the figures themselves lie in ``published/``."""
