"""The AWS operations that the functions call, by service.

The layer's build cuts botocore's API models down to these (`layers/core/build.py`), because reading a model of
hundreds of operations is most of what creating a client costs at a cold start.
"""

from typing import Final

OPERATIONS: Final[dict[str, tuple[str, ...]]] = {
    "dynamodb": ("BatchGetItem", "DeleteItem", "GetItem", "PutItem", "Query", "UpdateItem"),
    "sqs": ("ChangeMessageVisibility", "GetQueueAttributes", "SendMessage", "SendMessageBatch"),
    "s3": ("GetObject", "PutObject"),
    "secretsmanager": ("GetSecretValue",),
    "ssm": ("GetParameter",),
}
