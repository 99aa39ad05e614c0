"""Writes what transformers loads: ``config.json``, ``model.safetensors``, a processor."""

from stages.export_transformers.stage import ExportTransformers

__all__ = ["ExportTransformers"]
