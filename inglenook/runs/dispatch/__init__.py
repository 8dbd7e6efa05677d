"""Who executes a queued run, and when: one contract (`base`), one file an implementation."""
