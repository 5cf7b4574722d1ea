"""Batches of queue messages in, the list of those that have to come again out."""
