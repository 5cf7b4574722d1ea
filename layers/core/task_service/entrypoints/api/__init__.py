"""The HTTP API: API Gateway's events in, its responses out."""
