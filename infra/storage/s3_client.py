"""How a client of S3 is made."""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from infra.storage.s3_redirects import refuse_redirect
from jobs.errors import SettingsError


def s3_client() -> Any:
    """A client that tries once; boto3 reads credentials, region and endpoint from its standard places.

    Raises:
        SettingsError: The settings of boto3 are wrong, or the endpoint holds a password, which would show in errors.
    """
    _keep_credentials_out_of_logs()
    try:
        client = boto3.client(
            "s3",
            config=Config(
                connect_timeout=5,
                read_timeout=60,
                # Tried again by infra.storage.s3_retry, which also covers bodies and has one budget for all.
                retries={"mode": "standard", "total_max_attempts": 1},
                # The farm sends checksums of its own. Those that boto3 would add travel in a trailer, which many
                # servers other than Amazon's refuse.
                request_checksum_calculation="when_required",
            ),
        )
    except (BotoCoreError, ValueError) as error:
        raise SettingsError(
            f"S3 cannot be used: {type(error).__name__}", where="AWS_*", hint="correct the AWS_* settings"
        ) from error
    if "@" in urlsplit(client.meta.endpoint_url).netloc:
        raise SettingsError(
            "holds a user or a password",
            where="AWS_ENDPOINT_URL",
            hint="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY instead",
        )
    # Before the client's own look at redirects, which asks on and on where no region is named.
    client.meta.events.register_first("needs-retry.s3", refuse_redirect)
    return client


def _keep_credentials_out_of_logs() -> None:
    """At DEBUG botocore logs the headers it signs, session tokens among them; at INFO where it found what."""
    logger = logging.getLogger("botocore")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.WARNING)
