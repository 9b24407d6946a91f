"""Every environment variable the farm reads or sets, with its default and its reason.

Settings are built once, at the entry point of a process, and handed down; nothing else looks at the
environment.
"""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from jobs.errors import SettingsError
from jobs.locations import is_s3

RayAuth = Literal["token", "disabled"]

_LONGEST_SOCKET_NAME = 107  # bytes; the limit of Linux
_SOCKET_IN_RAY_FOLDER = "/session_2026-01-31_23-59-59_999999_4194304/sockets/plasma_store"


@dataclass(frozen=True, slots=True, kw_only=True)
class FarmSettings:
    """What a process of the farm is told by its environment.

    Attributes:
        store: ``FARM_STORE``: folder or ``s3://`` URI of committed objects. Default: ``store`` in the
            cache, so that one machine needs no set-up and a repeated job finds what it rendered before.
        journal: ``FARM_JOURNAL``: file or ``postgresql://`` address of the shared farm's journal. Default:
            ``farm.sqlite`` in the cache. It may hold a password and is not part of what is printed of this.
        quarantine: ``FARM_QUARANTINE``: folder of the replay bundles of segments that were given up. Default:
            ``quarantine`` in the cache.
        studios: ``FARM_STUDIOS``: folder of what studios upload and fetch through the API, seen by the farm and by its
            API under one path. Default: ``studios`` in the cache.
        server: ``FARM_SERVER``: address of the server that the commands for a shared farm speak with. Default: that of
            ``farm login``, unless ``FARM_JOURNAL`` is set.
        key: ``FARM_KEY``: the key for it, of which nothing is printed.
        config: ``FARM_CONFIG``: folder of what ``farm login`` keeps. Default: ``moda-farm`` in ``XDG_CONFIG_HOME``, or
            in ``~/.config``; None where there is no home folder.
        is_journal_given: ``FARM_JOURNAL`` is set.
        cache: ``FARM_CACHE``: folder of what can be fetched again, such as subjects from S3. Default:
            ``moda-farm`` in ``XDG_CACHE_HOME``, or in ``~/.cache``.
        log_level: ``FARM_LOG_LEVEL``: name of a level of ``logging``. Default: ``WARNING``, because progress
            is shown by the command line and logs are for what went wrong.
        ray_address: ``FARM_RAY_ADDRESS``: the cluster to join. Default: none; a small one starts inside the
            process. ``RAY_ADDRESS`` is not read, so that a render never lands on a cluster by accident.
        ray_auth: ``RAY_AUTH_MODE``: ``token`` or ``disabled``. Default: ``token``; whoever reaches an open
            Ray can run code. It is always set explicitly, because Ray's own default depends on how it is
            started.
    """

    store: str
    cache: Path
    log_level: str = "WARNING"
    ray_address: str | None = None
    ray_auth: RayAuth = "token"
    journal: str = field(default="", repr=False)
    quarantine: Path = Path("quarantine")
    studios: Path = Path("studios")
    server: str | None = None
    key: str = field(default="", repr=False)
    config: Path | None = None
    is_journal_given: bool = False

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> FarmSettings:
        """Read the settings.

        Args:
            environment: Variables by name; the process's own when not given. Empty ones count as not set.

        Raises:
            SettingsError: A variable has a value it cannot take.
        """
        given = os.environ if environment is None else environment
        variables = {name: value for name, value in given.items() if value}
        cache = _cache(variables)
        store = variables.get("FARM_STORE", "")
        auth: RayAuth
        match variables.get("RAY_AUTH_MODE", "token").lower():
            case "token":
                auth = "token"
            case "disabled":
                auth = "disabled"
            case other:
                raise SettingsError(
                    f"cannot be '{other}'",
                    where="RAY_AUTH_MODE",
                    hint="set it to token or disabled, or unset it",
                )
        return cls(
            store=(store if is_s3(store) else str(Path(store).absolute())) if store else str(cache / "store"),
            cache=cache,
            log_level=_log_level(variables),
            ray_address=variables.get("FARM_RAY_ADDRESS"),
            ray_auth=auth,
            journal=_journal(variables, cache=cache),
            quarantine=Path(variables.get("FARM_QUARANTINE") or cache / "quarantine").absolute(),
            studios=_studios(variables, cache=cache),
            server=variables.get("FARM_SERVER"),
            key=variables.get("FARM_KEY", ""),
            config=_config(variables),
            is_journal_given="FARM_JOURNAL" in variables,
        )


def prepare_ray_environment(*, auth: RayAuth, embedded: bool) -> None:
    """Tell Ray how to behave; it reads these once, while it is imported, and its processes inherit them.

    An embedded cluster gets a token of its own that lives in the environment of this process and its
    children, so no token file is written and no other user of the machine can join.

    Args:
        auth: Whether every connection needs a token.
        embedded: Whether the cluster starts inside this process; a cluster elsewhere has its own token, which
            Ray finds in ``RAY_AUTH_TOKEN``, ``RAY_AUTH_TOKEN_PATH`` or its default file.
    """
    os.environ["RAY_AUTH_MODE"] = auth
    if embedded and auth == "token" and not os.environ.get("RAY_AUTH_TOKEN"):
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    if embedded:
        # Ray's workers stand back behind every other process (niceness 15); on a busy machine they hardly run.
        os.environ.setdefault("RAY_worker_niceness", "0")
    # A studio's cluster reports to nobody.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")


def ray_folder() -> Path:
    """Where an embedded cluster keeps its sockets and its logs.

    Raises:
        SettingsError: Its name is too long for sockets.
    """
    name = "RAY_TMPDIR" if os.environ.get("RAY_TMPDIR") else "TMPDIR"
    temporary = os.environ.get(name) or "/tmp"
    folder = Path(temporary, "ray")
    most = _LONGEST_SOCKET_NAME - len(_SOCKET_IN_RAY_FOLDER) - len("/ray")
    if len(os.fsencode(temporary.rstrip("/"))) > most:
        raise SettingsError(
            f"'{temporary}' is too long a name for the folder of Ray's sockets, which may have {most} bytes",
            where=name,
            hint=f"set {name} to a shorter folder for this command, such as /tmp",
        )
    return folder


def _cache(variables: Mapping[str, str]) -> Path:
    folder = _own_folder(variables, name="FARM_CACHE", desktop="XDG_CACHE_HOME", in_home=".cache")
    if folder is None:
        raise SettingsError(
            "is not set and there is no home folder", where="FARM_CACHE", hint="set FARM_CACHE to a folder"
        )
    return folder


def _config(variables: Mapping[str, str]) -> Path | None:
    return _own_folder(variables, name="FARM_CONFIG", desktop="XDG_CONFIG_HOME", in_home=".config")


def _own_folder(variables: Mapping[str, str], *, name: str, desktop: str, in_home: str) -> Path | None:
    """The folder that a variable names; otherwise as the desktop's convention has it; None without a home."""
    if name in variables:
        return Path(variables[name]).absolute()
    if desktop in variables:
        return Path(variables[desktop]).absolute() / "moda-farm"
    try:
        home = Path(variables["HOME"]) if "HOME" in variables else Path.home()
    except RuntimeError:
        return None
    return home.absolute() / in_home / "moda-farm"


def _journal(variables: Mapping[str, str], *, cache: Path) -> str:
    journal = variables.get("FARM_JOURNAL", "")
    if journal == ":memory:":
        raise SettingsError(
            "cannot be in the memory of a process: nobody else would see it",
            where="FARM_JOURNAL",
            hint="set it to a file or a postgresql:// address",
        )
    if "://" in journal:
        return journal
    return str(Path(journal or cache / "farm.sqlite").absolute())


def _studios(variables: Mapping[str, str], *, cache: Path) -> Path:
    studios = variables.get("FARM_STUDIOS", "")
    if is_s3(studios):
        raise SettingsError(
            "must be a folder", where="FARM_STUDIOS", hint="name one that the farm and its API both see"
        )
    return Path(studios or cache / "studios").absolute()


def _log_level(variables: Mapping[str, str]) -> str:
    level = variables.get("FARM_LOG_LEVEL", "WARNING").upper()
    if level not in logging.getLevelNamesMapping():
        raise SettingsError(
            f"cannot be '{level}'", where="FARM_LOG_LEVEL", hint="set it to DEBUG, INFO, WARNING or ERROR"
        )
    return level
