"""FuseMax: one attention head as a program, its streams and the array that runs it (MICRO 2024)."""
