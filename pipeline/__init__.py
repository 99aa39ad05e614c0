"""The engine: plans a request, runs its stages, and keeps what they leave."""

__version__ = "0.1.0"
