"""A section of the SN40L-style fabric beside its RTL: what each PCU is told, what all units make, how it is run."""
