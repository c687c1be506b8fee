"""Runs of emitted RTL: Verilator builds, a C++ and a cocotb driver, bit-exact oracles, their comparison."""
