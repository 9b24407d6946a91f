from __future__ import annotations

import itertools

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

from infra.storage.s3_problems import S3Error, S3Problem
from infra.storage.s3_retry import ATTEMPTS, BUDGET_S, FIRST_WAIT_S, LONGEST_WAIT_S, persistently


class Failing:
    """Fails a number of times, each time after a while, and then succeeds."""

    def __init__(self, clock: list[float], *, times: int, takes_s: float, error: Exception) -> None:
        self.clock, self.times, self.takes_s, self.error = clock, times, takes_s, error
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        self.clock[0] += self.takes_s
        if self.calls <= self.times:
            raise self.error
        return "done"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which passes by waiting; and every wait after it."""
    times = [0.0]

    def wait(seconds: float) -> None:
        times[0] += seconds
        times.append(seconds)

    monkeypatch.setattr("infra.storage.s3_retry.monotonic", lambda: times[0])
    monkeypatch.setattr("infra.storage.s3_retry.sleep", wait)
    return times


def answered(status: int, code: str) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "PutObject")


UNREACHABLE = EndpointConnectionError(endpoint_url="http://nowhere")


def test_waits_double_with_half_of_each_random_and_stay_below_a_bound(clock: list[float]) -> None:
    action = Failing(clock, times=ATTEMPTS - 1, takes_s=0.0, error=UNREACHABLE)
    assert persistently(action) == "done"
    waits = clock[1:]
    assert len(waits) == ATTEMPTS - 1
    for wait, exponent in zip(waits, itertools.count()):
        full = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**exponent)
        assert full / 2 <= wait <= full
    assert len({wait / FIRST_WAIT_S % 1 for wait in waits}) > 1, "they are not all the same share"


def test_attempts_are_counted(clock: list[float]) -> None:
    action = Failing(clock, times=10_000, takes_s=0.0, error=UNREACHABLE)
    with pytest.raises(S3Error) as caught:
        persistently(action)
    assert action.calls == ATTEMPTS
    assert f"{ATTEMPTS} times" in caught.value.text


def test_slow_failures_end_with_the_budget(clock: list[float]) -> None:
    # A server that accepts connections and never answers: each attempt ends by its timeout of a minute.
    action = Failing(clock, times=10_000, takes_s=60.0, error=UNREACHABLE)
    with pytest.raises(S3Error):
        persistently(action)
    assert action.calls == 3
    assert clock[0] <= 60 + BUDGET_S + 60


def test_an_attempt_that_failed_late_is_made_again(clock: list[float]) -> None:
    action = Failing(clock, times=1, takes_s=10 * BUDGET_S, error=UNREACHABLE)
    assert persistently(action) == "done"


def test_what_was_tried_in_vain_below_is_not_tried_again_above(clock: list[float]) -> None:
    action = Failing(clock, times=10_000, takes_s=0.0, error=UNREACHABLE)
    with pytest.raises(S3Error):
        persistently(lambda: persistently(action))
    assert action.calls == ATTEMPTS


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (answered(403, "AccessDenied"), S3Problem.DENIED),
        (answered(403, "SignatureDoesNotMatch"), S3Problem.DENIED),
        (answered(404, "NoSuchBucket"), S3Problem.NO_BUCKET),
        (answered(404, "NoSuchKey"), S3Problem.NO_OBJECT),
        (answered(412, "PreconditionFailed"), S3Problem.EXISTS),
        (answered(501, "NotImplemented"), S3Problem.UNSUPPORTED),
        (answered(400, "InvalidArgument"), S3Problem.REFUSED),
        (NoCredentialsError(), S3Problem.DENIED),
    ],
    ids=str,
)
def test_what_will_not_change_is_not_tried_again(
    clock: list[float], error: Exception, problem: S3Problem
) -> None:
    action = Failing(clock, times=1, takes_s=0.0, error=error)
    with pytest.raises(S3Error) as caught:
        persistently(action)
    assert (action.calls, caught.value.problem) == (1, problem)


def test_an_error_repeats_nothing_that_a_server_wrote(clock: list[float]) -> None:
    action = Failing(clock, times=1, takes_s=0.0, error=answered(403, "key AKIA123 is\nwrong"))
    with pytest.raises(S3Error) as caught:
        persistently(action)
    assert "AKIA123" not in caught.value.text
