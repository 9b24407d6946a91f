"""Which segment a plan uses: a small file in the plan's folder for each of its segments.

Segments are named by what their pixels depend on, which only their posed faces tell. A later run of the plan reads here
what the faces came to, and makes none of them again.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationError

from jobs.errors import StoreError
from jobs.manifest_model import ManifestModel


class SegmentLink(ManifestModel):
    """``segment-00007.json`` of one take.

    It is written before the segment is committed, so it alone proves nothing of the segment.

    Attributes:
        schema_version: Version of this form.
        key: Key of the segment in the store.
        found: Another plan had rendered it.
    """

    schema_version: Literal["farm.link/v1"] = "farm.link/v1"
    key: Annotated[str, Field(pattern=r"^segments/[^/]+/[0-9a-f]{2}/[0-9a-f]{64}\.mp4$")]
    found: bool = False

    def to_json(self) -> bytes:
        """The link as it is stored."""
        return self.model_dump_json().encode("utf-8") + b"\n"

    @classmethod
    def from_json(cls, data: bytes, *, where: str) -> SegmentLink:
        """Read a stored link.

        Raises:
            StoreError: The bytes are no link of this version (``bad_link``).
        """
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            field = ".".join(str(part) for part in first["loc"]) or "the document"
            raise StoreError(
                f"does not say which segment a plan uses, in a form this version reads: {field}: {first['msg']}",
                where=where,
                code="bad_link",
                hint="delete it: the segment's faces are made again, and the segment is found by them",
            ) from error
