"""A PostgreSQL server of our own in a temporary folder, reached on the loopback with a password."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PASSWORD = "a-secret-of-the-tests"
USER = "farm"


class NoServer(Exception):
    """Why there is none."""


def server_programs() -> Path:
    """Folder of the server's programs.

    Raises:
        NoServer: It is not installed.
    """
    found = shutil.which("initdb")
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found is None and not installed:
        raise NoServer("PostgreSQL is not installed")
    return Path(found).resolve().parent if found else installed[-1].parent


def unprivileged() -> list[str]:
    """What to put before a command so that the server, which refuses root, runs as somebody else.

    Raises:
        NoServer: There is no way.
    """
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        raise NoServer("PostgreSQL refuses root and setpriv is not installed")
    return ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]


@contextmanager
def postgresql_server() -> Iterator[PostgresqlServer]:
    """A running server; gone afterwards.

    Raises:
        NoServer: There can be none on this machine.
    """
    programs, prefix = server_programs(), unprivileged()
    with tempfile.TemporaryDirectory(prefix="journal-postgresql-") as name:
        folder = Path(name)
        password_file = folder / "password"
        password_file.write_text(PASSWORD)
        if prefix:
            shutil.chown(folder, "nobody", "nogroup")
            shutil.chown(password_file, "nobody", "nogroup")
        data = str(folder / "data")
        initdb = [str(programs / "initdb"), "-D", data, "--username", USER, "--auth=scram-sha-256"]
        initdb += [f"--pwfile={password_file}", "--encoding=UTF8", "--locale=C", "--no-sync"]
        made = subprocess.run([*prefix, *initdb], capture_output=True, text=True, cwd="/")
        if made.returncode:
            raise NoServer(f"initdb failed: {made.stderr.strip().splitlines()[-1:]}")
        server = PostgresqlServer(folder, [*prefix, str(programs / "postgres"), "-D", data])
        try:
            server.start()
            yield server
        finally:
            server.stop()


class PostgresqlServer:
    """Starts and stops it; the port stays the same."""

    def __init__(self, folder: Path, command: Sequence[str]) -> None:
        self.port = _free_port()
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(folder),
            "fsync": "off",  # the machine of a test does not lose power
            "max_connections": 40,
            "shared_buffers": "16MB",
        }
        self._command = [
            *command,
            *(part for pair in settings.items() for part in ("-c", "=".join(map(str, pair)))),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/"
        )
        until = time.monotonic() + 30
        while not self._answers():
            if time.monotonic() > until or self._process.poll() is not None:
                raise NoServer("the server does not start")
            time.sleep(0.05)

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(2)  # fast: it ends all connections
            self._process.wait(30)
            self._process = None

    def address(
        self, database: str = "postgres", *, password: str = PASSWORD, port: int | None = None
    ) -> str:
        return f"postgresql://{USER}:{password}@127.0.0.1:{port or self.port}/{database}"

    def run(self, statement: str) -> None:
        """Run one statement by other means than the journal's."""
        import psycopg

        with psycopg.connect(self.address(), autocommit=True) as connection:
            connection.execute(statement)

    def fresh_address(self, name: str, *, port: int | None = None) -> str:
        """Address of an empty schema of that name."""
        self.run(f'CREATE SCHEMA IF NOT EXISTS "{name}"')
        return f"{self.address(port=port)}?options=-csearch_path%3D{name}"

    def _answers(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self.address(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
