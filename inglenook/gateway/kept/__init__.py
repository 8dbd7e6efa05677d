"""Answers of `/v1/responses` that their callers come back to, and how long they are kept."""
