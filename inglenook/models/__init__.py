"""What completes, embeds or reranks: the catalogue, local engines, providers, and the hub models come from."""
