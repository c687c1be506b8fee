"""The pattern compute unit bit for bit: registers, functions of the tail, what it makes of operands."""
