"""The way of a prompt: protocol faces, the steps every call passes, and the HTTP data plane."""
