"""template.yaml as CloudFormation sees it, after AWS's serverless transform. Works offline.

    python -m tests.support.translated

prints it as JSON.
"""

import json
import logging
import sys
from typing import Any

import boto3

from local.template import Template
from tests.support.runtime import PROJECT, REGION


def translated() -> dict[str, Any]:
    """The transformed template."""
    # Importing it takes half a second.
    from samtranslator.parser.parser import Parser  # type: ignore[import-untyped]
    from samtranslator.translator.translator import Translator  # type: ignore[import-untyped]

    template = Template.read(PROJECT / "template.yaml")
    sent = json.loads(template.to_json({folder: "s3://deployments/artifact.zip" for _, folder in template.folders()}))
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name=REGION))
    made: dict[str, Any] = translator.translate(sent, {})
    return made


if __name__ == "__main__":
    # The translator warns that it does not know the region's features.
    logging.disable(logging.WARNING)
    json.dump(translated(), sys.stdout, indent=1)
