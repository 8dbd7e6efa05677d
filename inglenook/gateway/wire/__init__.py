"""The HTTP data plane: inference routes, beside the framework and far faster."""
