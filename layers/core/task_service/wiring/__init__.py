"""Settings, and the one place where use cases and adapters are put together."""
