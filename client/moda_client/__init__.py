"""Speaks with a MODA Farm over HTTP."""

from moda_client.answers import Asked, Event, Job, JobPage, KeyFacts, Master, Progress, Upload, Why
from moda_client.client import Client
from moda_client.errors import FarmRefused, FarmUnreachable, Mistake

__all__ = [
    "Asked",
    "Client",
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
    "Why",
]
