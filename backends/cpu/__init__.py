"""The CPU back end: fused cascades as vector code, a C program around them, no Python at run time."""
