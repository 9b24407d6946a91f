"""What can go wrong with a request to S3, in words that do not depend on the client library."""

from __future__ import annotations

from enum import StrEnum


class Problem(StrEnum):
    """The kinds of failure that the farm reacts to differently; the values are their stable codes."""

    NO_OBJECT = "no_object"
    NO_BUCKET = "no_bucket"
    EXISTS = "exists"  # a conditional write met an object
    CONFLICT = "store_conflict"  # a conditional write met another one in progress
    NO_UPLOAD = "upload_lost"  # an upload in parts is not known, or not any more
    CHANGED = "changed"  # an object is not the one that was looked at before
    DAMAGED = "corrupt_object"  # the same wrong bytes are read again and again
    GARBLED = "damaged_in_transit"  # the bytes arrive wrong, each time in another way
    UNSUPPORTED = "not_supported"
    DENIED = "store_denied"
    BUSY = "store_busy"
    UNREACHABLE = "store_unreachable"
    REFUSED = "store_failed"


HINTS = {
    Problem.NO_OBJECT: "check bucket and key",
    Problem.NO_BUCKET: "create the bucket, or correct its name",
    Problem.CONFLICT: "run it again; nothing that was committed is lost",
    Problem.CHANGED: "run it again when nobody writes there",
    Problem.DAMAGED: "the storage below is damaged; restore the object, or delete it if it can be made again",
    Problem.GARBLED: "check the network and what lies between this machine and the endpoint",
    Problem.DENIED: "check the AWS_* credentials, and their right to read and write there",
    Problem.BUSY: "run it again later; nothing that was committed is lost",
    Problem.UNREACHABLE: "check the AWS_* settings, the endpoint and the network",
}


class S3Error(Exception):
    """A request that failed, after all that was tried. Those who asked turn it into an error of the farm.

    Attributes:
        problem: What kind of failure.
        text: What happened, in one sentence; never a credential, nor what the server wrote.
        is_passing: Whether the same request may succeed a moment later.
        is_outage: It was passing, and did not pass for as long as one request insists: minutes may be needed.
    """

    def __init__(
        self, problem: Problem, text: str, *, is_passing: bool = False, is_outage: bool = False
    ) -> None:
        super().__init__(text)
        self.problem = problem
        self.text = text
        self.is_passing = is_passing
        self.is_outage = is_outage

    @property
    def hint(self) -> str:
        """What the reader can do."""
        return HINTS.get(self.problem, "run it again later; nothing that was committed is lost")
