"""A small text-conditioned MusicGen and the Dora program that trains it."""
