"""The table of functions in the documentation of policies: `python -m tests.support.policy_table` writes it."""

from collections import defaultdict
from pathlib import Path

from task_service.adapters.policies.engine import Engine
from task_service.adapters.policies.functions import OF_THE_ENGINE, REFUSED
from task_service.adapters.policies.numbers import OPERATORS

PAGE = Path(__file__).parents[2] / "docs" / "policies-and-events.md"
START = "<!-- functions: written by `python -m tests.support.policy_table` -->\n"
END = "<!-- end of functions -->\n"


def table() -> str:
    """The functions that the engine has, by the first part of their names, and those that are refused."""
    groups = defaultdict[str, list[str]](list)
    for name in sorted(Engine(with_tokens=True).arguments.keys() - OPERATORS):
        group, _, rest = name.rpartition(".")
        groups[group].append(rest if name in OF_THE_ENGINE else f"{rest}*")
    lines = ["| | functions (with a star: done here, not by regorus) |", "|---|---|"]
    lines += [f"| {f'`{group}.`' if group else ''} | {', '.join(names)} |" for group, names in sorted(groups.items())]
    lines += ["", "Refused are, among others:", ""]
    lines += [f"- {names}, which {reason}" for names, reason in REFUSED.items()]
    return "\n".join(lines) + "\n"


def with_table(page: str) -> str:
    """The page with the table of today."""
    before, _, rest = page.partition(START)
    return before + START + table() + END + rest.partition(END)[2]


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text()))
