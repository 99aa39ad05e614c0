"""Stands in for Demucs, whose weights no registry has: every stem is the whole mix."""
