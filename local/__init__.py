"""The local cloud: MiniStack with template.yaml deployed into it, and the API served on a port of its own."""
