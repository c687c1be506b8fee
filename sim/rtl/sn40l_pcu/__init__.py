"""The pattern compute unit bit for bit: its registers, the functions of its tail, what it makes of its operands."""
