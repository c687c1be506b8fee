"""The intermediate representation: what is computed (cascade), where it lives (tier), on what (targets)."""
