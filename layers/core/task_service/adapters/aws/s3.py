"""Bodies and results: small ones stay in the record, large ones go to S3.

botocore is imported for the first large one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from task_service.domain import json_text
from task_service.domain.task import Body

INLINE_BYTES: Final = 32_000
"""Up to this size a body is kept in the record. An item holds 400 KB, but every write of it is paid by its whole
size: beyond some kilobytes writing it to S3 once is cheaper, and up to this size its 20 to 50 ms are not worth it."""


@dataclass(kw_only=True, eq=False, repr=False)
class S3Bodies:
    """Bodies in one bucket. The client is made when the first large body comes."""

    client: Callable[[], Any]
    bucket: str

    def store(self, key: str, text: str) -> Body:
        """Make `text` ready to be written into a record; a large one is durable under `key` on return."""
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
        """The text of a stored body. Raises NotFound where the bucket's lifecycle has removed it."""
        if body.text is not None:
            return body.text
        from task_service.adapters.aws import client as aws

        answer = aws.request(self.client().get_object, Bucket=self.bucket, Key=body.blob)
        return str(aws.request(answer["Body"].read), "utf-8")
