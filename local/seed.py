"""The examples: templates, written through the API as anybody would write them."""

import json
from pathlib import Path
from string import Template
from urllib.parse import quote

from local.client import call

EXAMPLES = Path(__file__).with_name("examples")


def seed(api_url: str, target_url: str) -> None:
    """Write every example, aimed at the demo target."""
    for kind in ("taskTemplates", "taskListTemplates"):
        for path in sorted((EXAMPLES / kind).glob("*.json")):
            text = Template(path.read_text(encoding="utf-8")).substitute(TARGET_URL=target_url)
            name: str = json.loads(text)["name"]
            call("PUT", f"{api_url}/v1/{kind}/{quote(name, safe='')}", text.encode())
    for path in sorted((EXAMPLES / "eventTasks").glob("*.json")):
        call("PUT", f"{api_url}/v1/eventTasks", path.read_bytes())
