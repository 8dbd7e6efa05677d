"""Conversations: trees of messages, each owned by one user. Knows nothing of how answers come about."""
