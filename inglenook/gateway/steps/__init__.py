"""What every call passes, in order: key, limits, route, cache, budget, meter. One concern, one file."""
