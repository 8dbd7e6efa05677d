"""Protocols that several providers speak: how requests are written in them, and answers read."""
