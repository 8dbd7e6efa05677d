"""Whole answers that are kept, to be given again to the very same call: `key` says which calls are the same,
`service` keeps their answers in memory and in a file, `steps/cache.py` uses both."""
