"""The table that a bench prints."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One figure."""

    name: str
    figure: str
    aim: str = ""


def milliseconds(values: Sequence[float]) -> str:
    """Median and 99th percentile of durations in seconds, as text."""
    return f"p50 {percentile(values, 50) * 1000:.0f} ms, p99 {percentile(values, 99) * 1000:.0f} ms, n {len(values)}"


def percentile(values: Sequence[float], percent: int) -> float:
    """The nearest-rank percentile; the median of an even number is the mean of the middle two."""
    if percent == 50:
        return statistics.median(values)
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, -(-len(ordered) * percent // 100) - 1)]


def render(title: str, rows: Sequence[Row]) -> str:
    """A section of the table."""
    width = max(len(row.name) for row in rows)
    figures = max(len(row.figure) for row in rows)
    lines = [title, "-" * len(title)]
    lines += [f"{row.name:<{width}}  {row.figure:<{figures}}  {row.aim}".rstrip() for row in rows]
    return "\n".join(lines) + "\n"
