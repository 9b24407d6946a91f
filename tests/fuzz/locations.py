"""Places and names that a job may give, good and bad."""

from __future__ import annotations

from random import Random

ODD_NAMES = (
    "",
    " ",
    ".",
    "..",
    "~",
    "~root",
    "$HOME",
    "-rf",
    "a\nb",
    "a\0b",
    "a\x7fb",
    "\ud800",
    "x" * 64,
    "x" * 255,
    "x" * 300,
    "CON",
    "a:b",
    "%s%n",
    "{}",
    "[bold]",
    "ﬁ",
    "e\u0301",
    "\u202egnp.exe",
    "😀" * 63,
    "a%2e%2e%2f",
    "'; drop table jobs; --",
)
ODD_PLACES = (
    "hello.wav",
    "./hello.wav",
    "no.wav",
    "hello.wav/",
    "hello.wav/below",
    "../jobs/hello.wav",
    "../" * 3 + "sentinel/secret.wav",
    "../" * 40 + "etc/passwd",
    "/etc/passwd",
    "/dev/zero",
    "/dev/null",
    "/proc/self/mem",
    "/proc/self/environ",
    "/proc/self/fd/0",
    "/",
    ".",
    "..",
    "~/hello.wav",
    "~root/.bashrc",
    "file:///etc/passwd",
    "http://127.0.0.1:1/a.wav",
    "ftp://a/b",
    "concat:hello.wav|hello.wav",
    "pipe:0",
    "data:audio/wav;base64,UklGRg==",
    "s3://",
    "s3:/a/b",
    "S3://bucket/a.wav",
    "s3://bucket",
    "s3://bucket/",
    "s3://bucket/a.wav",
    "s3://bucket/../../a.wav",
    "s3://b..b/a.wav",
    "s3://-/a",
    "s3://BUCKET/a",
    "s3://arn:aws:s3:::x/a",
    "s3://bucket/" + "k" * 2000,
    "s3://bucket/\u202e",
    "builtin:actor-a",
    "builtin:actor-z",
    "builtin:",
    "builtin:../actor-a",
    "builtin:actor-a/../actor-b",
    "builtin:" + "x" * 300,
    "package",
    "package/subject.yaml",
    "package/../package",
    "out.mp4",
    "../out/out.mp4",
    "a/b/c/d.mp4",
    "hello.wav/out.mp4",
    "package.mp4",
    "/proc/out.mp4",
    "/dev/null/out.mp4",
    "x" * 251 + ".mp4",
    "x" * 300 + ".mp4",
    "/".join(["deep"] * 1500) + ".mp4",
    "/".join("d" * 300) + ".mp4",
    "y" * 5000,
    ".mp4",
    "a\nb.mp4",
    "weights.safetensors",
    "*",
    "*/*",
    "?",
    "[",
    "package*",
    "**/package",
    "base",
)


def odd_name(random: Random) -> str:
    return random.choice(ODD_NAMES)


def odd_place(random: Random) -> str:
    """A place from the list, at times altered."""
    place = random.choice(ODD_PLACES)
    if random.random() < 0.3:
        at = random.randrange(len(place) + 1)
        place = place[:at] + random.choice((*ODD_NAMES, "/", "..", "//", ".mp4")) + place[at:]
    return place
