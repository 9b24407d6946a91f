"""Stylesheet and scripts: a few files, known by their hashes; those of others are listed here with licence and hash."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_FOLDER: Final = Path(__file__).parent / "static"
_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True, kw_only=True)
class VendoredFile:
    """A file of somebody else's, as it came from the npm registry.

    Attributes:
        package: Its npm package, with the version.
        path: Where the file lies in there.
    """

    package: str
    path: str
    licence: str
    sha256: str


VENDORED: Final = {
    "hls.min.js": VendoredFile(
        package="hls.js@1.7.4",
        path="dist/hls.min.js",
        licence="Apache-2.0",
        sha256="cfc70cc9e9fc63d071919e087670abc760c8fd1bc889b88588026e4d22193bbe",
    ),
    "htmx.min.js": VendoredFile(
        package="htmx.org@4.0.1",
        path="dist/htmx.min.js",
        licence="0BSD",
        sha256="a0abb04f2f45a1f89d1d4844023245537e5e6014c87b144553e0607b4cc32130",
    ),
    "hx-sse.min.js": VendoredFile(
        package="htmx.org@4.0.1",
        path="dist/ext/hx-sse.min.js",
        licence="0BSD",
        sha256="18ef2761356ec1fe0bb6d92612315b37517a7c1e9856b661c5ae81fef239d103",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticFile:
    """A file that browsers may keep: its address changes with its bytes.

    Attributes:
        packed: Its bytes by gzip.
        version: The start of their hash.
    """

    media_type: str
    content: bytes
    packed: bytes
    version: str


def _static_file(path: Path) -> StaticFile:
    content = path.read_bytes()
    return StaticFile(
        media_type=f"{_TYPES[path.suffix]}; charset=utf-8",
        content=content,
        packed=gzip.compress(content, mtime=0),
        version=hashlib.sha256(content).hexdigest()[:12],
    )


STATIC_FILES: Final = {
    path.name: _static_file(path) for path in sorted(_FOLDER.iterdir()) if path.suffix in _TYPES
}


def address_of(name: str) -> str:
    """Where a browser finds a file of ours."""
    return f"/static/{name}?v={STATIC_FILES[name].version}"
