"""`make bench`: measures on this machine, prints a table and writes it to results.txt."""

import os
import platform
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from local.cloud import LocalCloud
from local.environment import PROJECT
from task_service import VERSION
from tests.bench import (
    batches,
    batching,
    calls,
    cold_start,
    cost,
    dollars,
    events,
    handlers,
    own_servers,
    policies,
    postgres,
    search,
    service,
)
from tests.bench.table import Row, render

RESULTS = Path(__file__).with_name("results.txt")


def main() -> None:
    """Run every bench."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    sections = [
        f"task service {VERSION}, {datetime.now(UTC):%Y-%m-%d}, Python {python}, "
        f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}; everything on this machine\n"
    ]

    def report(section: str) -> None:
        print(section, flush=True)
        sections.append(section)

    print(sections[0])
    with tempfile.TemporaryDirectory() as folder, LocalCloud(directory=Path(folder)) as cloud:
        client = service.Client(cloud)
        service.write_templates(client, cloud.target_url)
        latencies = [*service.single_tasks(cloud, client), *service.waited_for(client)]
        report(render("Latency on the idle local cloud", latencies))
        report(render("Lists on the idle local cloud", service.lists(cloud, client)))
        throughput = service.throughput(cloud, client)
        report(render("Throughput", throughput))
        large_list = service.large_list(cloud, client)
        report(render("A large list", large_list))
        report(render("Batches", batches.rows(cloud)))
        report(render("Requests", cost.rows(cloud)))
        units = cost.single_task(cloud)
        report(render("Searching", search.rows(cloud, client)))
        report(render("Policies, evaluated here", [Row(*figure) for figure in policies.rows(cloud)]))
        report(render("Cache events", events.rows(cloud)))
    report(render("Own servers", own_servers.measured([*latencies, *throughput, *large_list])))
    report(render("PostgreSQL", postgres.measured()))
    found, quiet = handlers.measured(), handlers.measured("WARNING")
    report(render("Handlers alone", [*handlers.rows(found, quiet), *calls.rows()]))
    report(render("A million tasks", dollars.rows(units, found, quiet)))
    report(render("Batching, simulated", batching.rows(found)))
    report(render("Cold start", cold_start.rows(PROJECT / ".build" / f"core-{python}")))
    RESULTS.write_text("\n".join(sections), encoding="utf-8")
    print(f"written to {RESULTS.relative_to(PROJECT)}")


if __name__ == "__main__":
    main()
