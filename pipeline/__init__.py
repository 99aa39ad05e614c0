"""The engine: plans a request, runs its stages, and keeps what they leave."""
