"""The tree of messages and what is attached to them."""
