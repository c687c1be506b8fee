"""Cycles of the SN40L-style fabric's units."""
