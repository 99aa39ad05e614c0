"""Stands in for xformers, which has no build for CPUs."""
