"""The journal's tables, the same in every database."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

SCHEMA_VERSION: Final = 5
"""Grows with every change of these tables: `infra.journal.schema` has the way from each former version."""

_NUMBER = BigInteger().with_variant(Integer, "sqlite")  # SQLite keeps an INTEGER key in the table itself

metadata = MetaData()

schema_version = Table("schema_version", metadata, Column("version", Integer, nullable=False))

head = Table(
    # One row: where the journal ends. Who writes locks it first, so that writers come one after another.
    "head",
    metadata,
    Column("id", _NUMBER, primary_key=True, autoincrement=False),
    Column("sequence", _NUMBER, nullable=False),
    Column("epoch", _NUMBER, nullable=False),
    Column("chain", LargeBinary, nullable=False),
)

epochs = Table(
    "epochs",
    metadata,
    Column("epoch", _NUMBER, primary_key=True, autoincrement=False),
    Column("owner", Text, nullable=False),
    Column("began_at", Double, nullable=False),
)

entries = Table(
    "entries",
    metadata,
    Column("sequence", _NUMBER, primary_key=True, autoincrement=False),
    Column("epoch", _NUMBER, nullable=False),
    Column("at", Double, nullable=False),
    Column("body", Text, nullable=False),
    Column("chain", LargeBinary, nullable=False),
)

requests = Table(
    "requests",
    metadata,
    Column("request", _NUMBER, primary_key=True, autoincrement=False),
    Column("token", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("answer", Text),
    UniqueConstraint("token", name="requests_token"),
)
Index(
    # Answered requests are kept for ever; looking for the others must not read them.
    "requests_without_answer",
    requests.c.request,
    sqlite_where=requests.c.answer.is_(None),
    postgresql_where=requests.c.answer.is_(None),
)

snapshots = Table(
    "snapshots",
    metadata,
    Column("sequence", _NUMBER, primary_key=True, autoincrement=False),
    Column("body", Text, nullable=False),
    Column("sha256", Text, nullable=False),
)

heartbeats = Table(
    # One row: when the writer was last there, and what it had to say of the jobs that wait.
    "heartbeats",
    metadata,
    Column("id", _NUMBER, primary_key=True, autoincrement=False),
    Column("epoch", _NUMBER, nullable=False),
    Column("at", Double, nullable=False),
    Column("body", Text, nullable=False),
)

api_keys = Table(
    # Of a key nothing is kept that would let somebody use it.
    "api_keys",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("sha256", Text, nullable=False),
    Column("studio", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double),
    Column("revoked_at", Double),
    UniqueConstraint("sha256", name="api_keys_sha256"),
)

key_changes = Table(
    "key_changes",
    metadata,
    Column("change", _NUMBER, primary_key=True, autoincrement=False),
    Column("at", Double, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("by", Text, nullable=False),
)

page_sessions = Table(
    # Who is logged in to the page; of the text in the browser's cookie the hash alone is kept.
    "page_sessions",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("key_id", Text, nullable=False),
    Column("began_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("webhook_id", Text, primary_key=True),
    Column("studio", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("types", Text, nullable=False),
    Column("after", _NUMBER, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("ended_at", Double),
    Column("ended_why", Text, nullable=False),
)

webhook_secrets = Table(
    # In clear: whoever signs needs them.
    "webhook_secrets",
    metadata,
    Column("webhook_id", Text, primary_key=True),
    Column("number", _NUMBER, primary_key=True, autoincrement=False),
    Column("secret", Text, nullable=False),
    Column("expires_at", Double),
)

outbox = Table(
    # One row: up to which entry of the journal its messages are in `deliveries`.
    "outbox",
    metadata,
    Column("id", _NUMBER, primary_key=True, autoincrement=False),
    Column("sequence", _NUMBER, nullable=False),
)

deliveries = Table(
    # Of one job's messages to one receiver only the first that is pending has a time: the others wait for it.
    "deliveries",
    metadata,
    Column("number", _NUMBER, primary_key=True, autoincrement=False),
    Column("webhook_id", Text, nullable=False),
    Column("job", Text, nullable=False),
    Column("sequence", _NUMBER, nullable=False),
    Column("message", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("next_at", Double),
    Column("claimed_until", Double, nullable=False),
    Column("status", Integer),
    Column("note", Text, nullable=False),
    Column("changed_at", Double, nullable=False),
    UniqueConstraint("webhook_id", "sequence", name="deliveries_message"),
)
Index(
    "deliveries_due",
    deliveries.c.next_at,
    sqlite_where=deliveries.c.next_at.is_not(None),
    postgresql_where=deliveries.c.next_at.is_not(None),
)
Index("deliveries_of_job", deliveries.c.webhook_id, deliveries.c.job, deliveries.c.sequence)

batches = Table(
    # The hash is of all its requests: handed in again, it is the same batch or another one.
    "batches",
    metadata,
    Column("batch_id", Text, primary_key=True),
    Column("studio", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("sha256", Text, nullable=False),
)

batch_jobs = Table(
    "batch_jobs",
    metadata,
    Column("batch_id", Text, primary_key=True),
    Column("row", _NUMBER, primary_key=True, autoincrement=False),
    Column("request", _NUMBER, nullable=False),
    Column("job", Text, nullable=False),
)

ADDED: Final = {
    2: ("heartbeats", "api_keys", "key_changes"),
    3: ("webhooks", "webhook_secrets", "outbox", "deliveries"),
    4: ("batches", "batch_jobs"),
    5: ("page_sessions",),
}
"""Tables that a version has and the one before it had not."""
