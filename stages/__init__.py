"""The work: one module per stage."""
