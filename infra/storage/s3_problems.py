"""What can go wrong with a request to S3, in words that do not depend on the client library."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class S3Problem(StrEnum):
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
    FULL = "store_full"  # a quota is used up, or the disks below are full
    ARCHIVED = "object_archived"  # it is there, and must be restored before it can be read
    BUSY = "store_busy"
    UNREACHABLE = "store_unreachable"
    REDIRECTED = "store_redirects"  # another place, or another way to it, is to be set
    REFUSED = "store_failed"


HINTS: Final = {
    S3Problem.NO_OBJECT: "check bucket and key",
    S3Problem.NO_BUCKET: "create the bucket, or correct its name",
    S3Problem.EXISTS: "look at what is there, and remove it if it is in the way",
    S3Problem.CONFLICT: "run it again; nothing that was committed is lost",
    S3Problem.NO_UPLOAD: "run it again; nothing that was committed is lost",
    S3Problem.CHANGED: "run it again when nobody writes there",
    S3Problem.DAMAGED: "the storage below is damaged; restore the object, or delete it if it can be made again",
    S3Problem.GARBLED: "check the network and what lies between this machine and the endpoint",
    S3Problem.UNSUPPORTED: "use a server that knows this request, or a folder",
    S3Problem.DENIED: "check the AWS_* credentials, and their right to read and write there",
    S3Problem.FULL: "free some space there or have the quota raised; what was committed is kept",
    S3Problem.ARCHIVED: "restore it first (such as with aws s3api restore-object), and run this again once that has"
    " ended, which takes hours",
    S3Problem.BUSY: "run it again later; nothing that was committed is lost",
    S3Problem.REDIRECTED: "set AWS_ENDPOINT_URL, or AWS_REGION, to where the bucket is",
    S3Problem.UNREACHABLE: "check the AWS_* settings, the endpoint and the network",
    S3Problem.REFUSED: "correct the bucket, the key or the AWS_* settings; the same request is refused each time",
}


class S3Error(Exception):
    """A request that failed, after all that was tried. Those who asked turn it into an error of the farm.

    Attributes:
        problem: What kind of failure.
        text: What happened, in one sentence; never a credential, nor what the server wrote.
        is_passing: Whether the same request may succeed a moment later.
        is_outage: It was passing, and did not pass for as long as one request insists: minutes may be needed.
        is_unexplained: It was refused for good with a status alone, as HEAD is: the answer to GET would say more.
        advice: What the reader can do, where it is more than the hint of its problem.
    """

    def __init__(
        self,
        problem: S3Problem,
        text: str,
        *,
        is_passing: bool = False,
        is_outage: bool = False,
        is_unexplained: bool = False,
        advice: str = "",
    ) -> None:
        super().__init__(text)
        self.problem = problem
        self.text = text
        self.is_passing = is_passing
        self.is_outage = is_outage
        self.is_unexplained = is_unexplained
        self.advice = advice

    @property
    def hint(self) -> str:
        """What the reader can do."""
        return self.advice or HINTS[self.problem]

    def after(self, attempts: int) -> S3Error:
        """The same once nobody tries again."""
        tried = f", {attempts} times" if self.is_passing and attempts > 1 else ""
        return S3Error(
            self.problem,
            self.text + tried,
            is_outage=self.is_passing or self.is_outage,
            advice=self.advice,
        )
