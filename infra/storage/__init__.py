"""Object stores: a folder, a bucket, or memory, all with the same manners."""

from __future__ import annotations

from infra.storage.address import open_store
from infra.storage.base import ObjectFacts, ObjectStore, PutOutcome
from infra.storage.folder import FolderStore
from infra.storage.memory import MemoryStore

__all__ = ["FolderStore", "MemoryStore", "ObjectFacts", "ObjectStore", "PutOutcome", "open_store"]
