"""What translates the events of a platform into calls of use cases: the HTTP API, its documentation, the queues."""
