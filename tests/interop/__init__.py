"""Releases of ours in the hands of real AudioCraft, which lives in an environment of its own.

The tests run where the pipeline does, without AudioCraft. What AudioCraft has to do (train, export,
build, load, generate) is done by the scripts of ``scripts/`` in the environment that `environment`
builds, each in a process of its own, with JSON in and JSON or npz out.
"""
