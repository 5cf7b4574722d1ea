"""Policy engines: the embedded one with its processes, and the remote policy service."""
