"""Where models come from: package index, registries, URLs, files."""
