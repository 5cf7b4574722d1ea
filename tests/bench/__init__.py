"""Measurements: `make bench` prints a table and writes it to results.txt beside this file."""
