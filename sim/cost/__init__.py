"""Analytical models: IR × target → seconds, bytes, cycles."""
