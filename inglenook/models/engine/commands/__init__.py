"""Other engines: programs that serve a model by OpenAI's protocol, started here as a model's process."""
