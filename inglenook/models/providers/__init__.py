"""Providers: one file each. `base.py` is the contract, `registry.py` the only list."""
