"""Inglenook: a private AI workbench in one process."""

__version__ = "0.1.0"
