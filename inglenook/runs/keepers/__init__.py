"""Where runs and their journals are kept: one contract (`base`), one file an implementation."""
