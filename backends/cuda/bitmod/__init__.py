"""Products with BitMoD weights in three or four bits, read as they are stored and decoded in registers."""
