"""What every call passes, in order: key, limits, route, budget, meter. One concern, one file."""
