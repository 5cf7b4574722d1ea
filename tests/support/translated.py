"""template.yaml as CloudFormation sees it, after AWS's serverless transform. Works offline."""

import json
from collections.abc import Mapping
from typing import Any

import boto3

from local.template import Template
from tests.support.runtime import PROJECT, REGION


def translated(parameters: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The transformed template for these values of parameters; the others have their defaults."""
    # Importing it takes half a second.
    from samtranslator.parser.parser import Parser  # type: ignore[import-untyped]
    from samtranslator.translator.translator import Translator  # type: ignore[import-untyped]

    template = Template.read(PROJECT / "template.yaml")
    sent = json.loads(template.to_json({folder: "s3://deployments/artifact.zip" for _, folder in template.folders()}))
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name=REGION))
    made: dict[str, Any] = translator.translate(sent, dict(parameters or {}))
    return made
