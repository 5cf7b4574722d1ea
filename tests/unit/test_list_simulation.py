"""Random lists under random disorder: messages in any order, twice, late, and processes that die anywhere.

The use cases run on the fakes; the world around them delivers, duplicates and delays messages, and lets a process die
before or after any of its effects. Whatever happens, every list ends, and ends right.
"""

import json
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from task_service.domain.errors import Unavailable
from task_service.domain.retry import Answered
from task_service.domain.task import Body, GroupStart, Message, State, TaskList
from task_service.domain.task_list import Execution, Overview, Plan, TaskListTemplate, place_of
from task_service.ports import CallRefused, HttpCall
from task_service.testing import (
    FakeClock,
    InMemoryBodies,
    InMemoryLists,
    InMemoryQueue,
    InMemoryTasks,
    ScriptedPolicies,
)
from task_service.usecases.attempt import Handled
from task_service.usecases.execute_task import Execution as QueueExecution
from task_service.usecases.fail_abandoned import DeadLetters
from task_service.usecases.read_list import ListReading
from tests.builders import NOW, attempts, list_run, template
