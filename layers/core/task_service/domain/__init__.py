"""What a task is and what may happen to it: no I/O, no AWS, no clock."""
