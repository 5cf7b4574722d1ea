"""The examples: policies and templates, written through the API as anybody would write them."""

import json
from pathlib import Path
from string import Template
from urllib.parse import quote

from local.client import call

EXAMPLES = Path(__file__).with_name("examples")


def seed(api_url: str, target_url: str) -> None:
    """Write every example, aimed at the demo target."""
    for path in sorted((EXAMPLES / "policies").rglob("*.rego")):
        data = path.with_suffix(".json")
        policy = {
            "source": path.read_text(encoding="utf-8"),
            "data": json.loads(data.read_text(encoding="utf-8")) if data.exists() else None,
        }
        # The folders and the file are called what the policy is called.
        policy_name = path.relative_to(EXAMPLES / "policies").as_posix().removesuffix(".rego")
        call("PUT", f"{api_url}/v1/policies/{policy_name}", json.dumps(policy).encode())
    for kind in ("taskTemplates", "taskListTemplates"):
        for path in sorted((EXAMPLES / kind).glob("*.json")):
            text = Template(path.read_text(encoding="utf-8")).substitute(TARGET_URL=target_url)
            name: str = json.loads(text)["name"]
            call("PUT", f"{api_url}/v1/{kind}/{quote(name, safe='')}", text.encode())
