"""What every call passes, in order: key, route, budget, meter. One concern, one file."""
