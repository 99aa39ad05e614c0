"""Stands in for pesq, which AudioCraft 1.4 imports for its watermarks; it takes a compiler."""
