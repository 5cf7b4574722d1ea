"""Bodies and results: small ones stay in the record, large ones go to S3.

botocore is imported for the first large one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from task_service.domain import json_text
from task_service.domain.task import Body

INLINE_BYTES: Final = 32_000
"""The largest body that is kept in the record. An item holds 400 KB, but DynamoDB charges each write by the item's
whole size, so from some kilobytes on S3 is cheaper; below this size it is not worth its 20 to 50 ms."""


@dataclass(kw_only=True, eq=False, repr=False)
class S3Bodies:
    """The bodies in one bucket. The first large body makes the client."""

    client: Callable[[], Any]
    bucket: str

    def store(self, key: str, text: str) -> Body:
        """The body of a text, for a record. A large text is durable in the bucket, under `key`, on return."""
        if json_text.size(text) <= INLINE_BYTES:
            return Body(text=text)
        from task_service.adapters.aws import client as aws

        aws.request(
            self.client().put_object,
            Bucket=self.bucket,
            Key=key,
            Body=text.encode("utf-8"),
            ContentType="application/json",
        )
        return Body(blob=key)

    def load(self, body: Body) -> str:
        """The text of a body. Raises NotFound if the bucket's lifecycle rule has removed it."""
        if body.text is not None:
            return body.text
        from task_service.adapters.aws import client as aws

        answer = aws.request(self.client().get_object, Bucket=self.bucket, Key=body.blob)
        return str(aws.request(answer["Body"].read), "utf-8")
