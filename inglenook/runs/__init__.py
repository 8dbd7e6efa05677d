"""Durable work: a run is a row and an append-only journal of typed events; state is a fold over them."""
