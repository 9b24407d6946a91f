"""Writing to S3: in one request, or in parts where an object is large."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from infra.storage.s3_content import Content, md5_header, sha256_header
from infra.storage.s3_multipart import MultipartUpload
from infra.storage.s3_problems import S3Error, S3Problem
from infra.storage.s3_read import SHA256_METADATA, remote_facts
from infra.storage.s3_retry import persistently
from jobs.locations import S3Address

PART_BYTES: Final = 32 << 20
LARGEST_PART_COUNT: Final = 10_000  # the limit of S3


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploader:
    """Writes objects.

    Attributes:
        client: The client.
        part_bytes: Larger contents go up in parts of this size; S3 wants 5 MiB at least.
    """

    client: Any
    part_bytes: int = PART_BYTES

    def is_large(self, content: Content) -> bool:
        """Whether a content goes up in parts."""
        return content.size_bytes > self.part_bytes

    def upload(
        self, content: Content, address: S3Address, *, if_absent: bool, content_type: str | None = None
    ) -> None:
        """Write an object. Until it is there whole, what was there before is.

        Args:
            content: Its bytes.
            address: Where.
            if_absent: Whether the server is asked to refuse where an object exists.
            content_type: MIME type that it is served with.

        Raises:
            S3Error: It could not be written. The problem is ``EXISTS`` where that was asked for and an object exists,
                which may be this very content: the answer to an earlier attempt may have been lost.
            OSError: The content cannot be read.
        """
        description: dict[str, Any] = {"Metadata": {SHA256_METADATA: content.sha256}}
        if content_type is not None:
            description["ContentType"] = content_type
        condition = {"IfNoneMatch": "*"} if if_absent else {}
        if self.is_large(content):
            persistently(
                lambda: self._upload_in_parts(content, address, description=description, condition=condition)
            )
        else:
            persistently(lambda: self._upload_at_once(content, address, headers=description | condition))

    def _upload_at_once(self, content: Content, address: S3Address, *, headers: dict[str, Any]) -> None:
        with content.open() as body:
            md5 = md5_header(body)
            body.seek(0)
            self.client.put_object(
                Bucket=address.bucket,
                Key=address.key,
                Body=body,
                ContentMD5=md5,
                ChecksumSHA256=sha256_header(content.sha256),
                **headers,
            )

    def _upload_in_parts(
        self,
        content: Content,
        address: S3Address,
        *,
        description: dict[str, Any],
        condition: dict[str, str],
    ) -> None:
        upload = MultipartUpload(client=self.client, address=address)
        part_bytes = max(self.part_bytes, -(-content.size_bytes // LARGEST_PART_COUNT))
        try:
            upload.send(content.parts(part_bytes), description=description, condition=condition)
        except S3Error as error:
            if error.problem is not S3Problem.NO_UPLOAD:
                raise
            # The server forgot the upload: it was completed and only the answer was lost, or it starts anew.
            facts = remote_facts(self.client, address)
            if facts is None or facts.sha256 != content.sha256:
                raise S3Error(error.problem, error.text, is_passing=True) from error
