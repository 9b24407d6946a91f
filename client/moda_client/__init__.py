"""Speaks with a MODA Farm over HTTP."""

from moda_client.answers import (
    Asked,
    Batch,
    BatchJob,
    Delivery,
    Event,
    Job,
    JobPage,
    KeyFacts,
    Master,
    Progress,
    Upload,
    Webhook,
    Why,
)
from moda_client.client import Client
from moda_client.errors import FarmRefused, FarmUnreachable, Mistake

__all__ = [
    "Asked",
    "Batch",
    "BatchJob",
    "Client",
    "Delivery",
    "Event",
    "FarmRefused",
    "FarmUnreachable",
    "Job",
    "JobPage",
    "KeyFacts",
    "Master",
    "Mistake",
    "Progress",
    "Upload",
    "Webhook",
    "Why",
]
