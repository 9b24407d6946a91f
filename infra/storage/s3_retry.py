"""How long the farm insists: a number of attempts and a span of time, whichever ends first."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from time import monotonic, sleep
from typing import Final, TypeVar

from infra.storage.s3_meaning import CLIENT_ERRORS, understood
from infra.storage.s3_problems import S3Error

ATTEMPTS: Final = 7
FIRST_WAIT_S: Final = 0.25
LONGEST_WAIT_S: Final = 8.0
BUDGET_S: Final = 120.0
"""No attempt starts later than this after the first failure; one that runs then may still end by its own timeouts."""

Result = TypeVar("Result")


def persistently(action: Callable[[], Result]) -> Result:
    """Do something until it succeeds, fails for good, or its budget is spent.

    The waits double, and half of each is random, so that many replicas do not come back in step.

    Args:
        action: One request, which may be made any number of times.

    Raises:
        S3Error: It failed for good. The error is no longer passing: nobody above tries the same again at once.
    """
    first_failure = math.inf  # a large object may take longer than the budget before anything fails
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return action()
        except (S3Error, *CLIENT_ERRORS) as raised:
            error = raised if isinstance(raised, S3Error) else understood(raised)
            first_failure = min(first_failure, monotonic())
            wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** (attempt - 1)) * random.uniform(0.5, 1.0)
            is_spent = attempt == ATTEMPTS or monotonic() - first_failure + wait_s > BUDGET_S
            if is_spent or not error.is_passing:
                raise error.after(attempt) from raised
        sleep(wait_s)
    raise AssertionError("the last attempt returns or raises")
