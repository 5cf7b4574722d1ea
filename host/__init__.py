"""The host: runs the functions on own servers, with PostgreSQL in the place of AWS."""
