"""Compressed bodies whose bytes are the same in every process: they are parts of tests' names."""

import gzip


def gzipped(data: bytes) -> bytes:
    """The data as gzip, without the time at which that was done."""
    return gzip.compress(data, mtime=0)
