"""An upload in parts that is completed or aborted, whatever happens on the way."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from infra.storage.s3_content import md5_header
from infra.storage.s3_problems import S3Error, S3Problem
from infra.storage.s3_retry import persistently
from jobs.locations import S3Address

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class MultipartUpload:
    """Writes one object in parts, one after the other.

    Attributes:
        client: The client.
        address: Where the object goes.
    """

    client: Any
    address: S3Address

    def send(
        self, parts: Iterable[bytes], *, description: Mapping[str, Any], condition: Mapping[str, str]
    ) -> None:
        """Start an upload, send every part and complete it.

        Args:
            parts: The bytes, in order.
            description: What the object says of itself.
            condition: What must hold in the moment of completion.

        Raises:
            S3Error: It failed, and was aborted. The problem is ``NO_UPLOAD`` where the server forgot it, which also
                happens where it was completed but the answer was lost.
        """
        starts = 0

        def start() -> str:
            nonlocal starts
            starts += 1
            return str(self.client.create_multipart_upload(**self._target, **description)["UploadId"])

        try:
            upload_id = persistently(start)
            try:
                sent = [
                    self._sent(data, number=number, upload_id=upload_id)
                    for number, data in enumerate(parts, start=1)
                ]
                self._complete(sent, upload_id=upload_id, condition=condition)
            except BaseException:
                self._abort(upload_id)
                raise
        finally:
            if starts > 1:
                self._abort_strays()

    @property
    def _target(self) -> dict[str, str]:
        return {"Bucket": self.address.bucket, "Key": self.address.key}

    def _sent(self, data: bytes, *, number: int, upload_id: str) -> dict[str, Any]:
        answer = persistently(
            lambda: self.client.upload_part(
                Body=data, ContentMD5=md5_header(data), PartNumber=number, UploadId=upload_id, **self._target
            )
        )
        return {"PartNumber": number, "ETag": answer["ETag"]}

    def _complete(self, sent: list[dict[str, Any]], *, upload_id: str, condition: Mapping[str, str]) -> None:
        persistently(
            lambda: self.client.complete_multipart_upload(
                MultipartUpload={"Parts": sent}, UploadId=upload_id, **self._target, **condition
            )
        )

    def _abort(self, upload_id: str) -> None:
        try:
            persistently(lambda: self.client.abort_multipart_upload(UploadId=upload_id, **self._target))
        except S3Error as error:
            if error.problem not in (S3Problem.NO_UPLOAD, S3Problem.NO_OBJECT):
                # What made the upload fail is already on its way up, and is what the reader must see.
                logger.warning("%s: parts of a failed upload stay: %s", self.address.uri, error.text)

    def _abort_strays(self) -> None:
        """Abort what a start left behind whose answer was lost, so that its number is not known.

        Another writer of the same key may lose its upload by this; it looks whether the object is there, and starts
        anew if not.
        """
        try:
            answer = persistently(
                lambda: self.client.list_multipart_uploads(
                    Bucket=self.address.bucket, Prefix=self.address.key
                )
            )
        except S3Error as error:
            if error.problem is not S3Problem.NO_UPLOAD:
                logger.warning("%s: an upload may have stayed open: %s", self.address.uri, error.text)
            return
        for entry in answer.get("Uploads", []):
            if entry["Key"] == self.address.key:
                self._abort(entry["UploadId"])
