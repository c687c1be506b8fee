"""A section of the SN40L-style fabric beside its RTL: what PCUs are told, what all units make, a run."""
