"""Tokens: those that callers bring, and those that this service gets for itself."""
