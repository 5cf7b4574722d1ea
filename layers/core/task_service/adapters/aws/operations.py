"""The AWS operations that the functions call, by service.

The layer's build (`layers/core/build.py`) cuts botocore's API models down to these.
"""

from typing import Final

OPERATIONS: Final[dict[str, tuple[str, ...]]] = {
    "dynamodb": ("BatchGetItem", "DeleteItem", "GetItem", "PutItem", "Query", "UpdateItem"),
    "sqs": ("ChangeMessageVisibility", "DeleteMessageBatch", "GetQueueAttributes", "SendMessage", "SendMessageBatch"),
    "s3": ("GetObject", "PutObject"),
    "secretsmanager": ("GetSecretValue",),
    "ssm": ("GetParameter",),
}
