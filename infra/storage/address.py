"""From the address of a store to the store; actors are sent the address and open it themselves."""

from __future__ import annotations

from pathlib import Path

from infra.storage.base import ObjectStore
from infra.storage.folder import FolderStore
from jobs.errors import SettingsError
from jobs.locations import check_location, is_s3


def open_store(uri: str) -> ObjectStore:
    """Open a store.

    Args:
        uri: A folder, which is created with its first object, or ``s3://BUCKET/PREFIX``; the credentials,
            region and endpoint of S3 come from the standard ``AWS_*`` variables and files.

    Raises:
        SettingsError: The address is neither.
    """
    if is_s3(uri):
        # Imported here: loading the client takes longer than opening a folder.
        from infra.storage.s3 import S3Store

        return S3Store.open(uri)
    try:
        check_location(uri)
    except ValueError as error:
        raise SettingsError(
            str(error), where=uri or "the store", hint="give a folder or s3://BUCKET/PREFIX"
        ) from error
    return FolderStore(Path(uri))
