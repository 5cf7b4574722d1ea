"""Turns: the messages of one group do not hold up those of another, however many there are."""

import hashlib
import re
from typing import Final

GROUP_RULE: Final = "1 to 128 visible ASCII characters are allowed"
"""As SQS has it (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html)."""

_GROUP: Final = re.compile(r"[!-~]{1,128}")


def is_group(text: str) -> bool:
    """Whether `text` can be the name of a group."""
    return _GROUP.fullmatch(text) is not None


def group_of(name: str) -> str:
    """The group of a template: its name, or a hash of a name that cannot be one."""
    return name if is_group(name) else hashlib.sha256(name.encode()).hexdigest()
