"""Binding: which unit runs each Einsum of a one-pass cascade, and in which cycle of the epoch."""
