"""The library: rooms that know data, model, training and evidence, and nothing of schedules."""

__version__ = "0.1.0"
