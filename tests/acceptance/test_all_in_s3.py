"""The example with its speech, subject, store and output in a bucket, by the command line, on a real Ray."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from bucket_audit import direct_client, objects_in, open_uploads
from rclone_server import SECRET_KEY

from stages.builtin import builtin_subject

if TYPE_CHECKING:
    from conftest import Rendered

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]


def farm_render(
    spec: Path, *, store: str, cache: Path, **environment: str
) -> tuple[int, dict[str, Any], str]:
    """Exit code, report and everything that was printed."""
    command = [
        sys.executable,
        "-m",
        "farm",
        "render",
        str(spec),
        "--replicas",
        "2",
        "--store",
        store,
        "--json",
    ]
    variables = {**os.environ, "FARM_CACHE": str(cache), **environment}
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=variables, check=False)
    return run.returncode, json.loads(run.stdout), run.stdout + run.stderr


def test_a_job_that_is_all_in_a_bucket_gives_the_bytes_of_one_in_folders(
    example: Rendered,
    example_speech: Path,
    signing_s3_bucket: Callable[[], str],
    signing_s3_server: str,
    tmp_path: Path,
) -> None:
    bucket, client = signing_s3_bucket(), direct_client(signing_s3_server)
    client.upload_file(str(example_speech), bucket, "in/hello.wav")
    for path in builtin_subject("actor-a").iterdir():
        client.upload_file(str(path), bucket, f"subjects/actor-a/{path.name}")
    spec = tmp_path / "job.yaml"
    spec.write_text(
        "apiVersion: farm/v1\nkind: RenderJob\nmetadata: {name: hello, project: acceptance}\n"
        f"spec:\n  speech: s3://{bucket}/in/hello.wav\n  subject: s3://{bucket}/subjects/actor-a\n  seed: 7\n"
        f"  motion: {{}}\n  output: {{profile: preview, uri: s3://{bucket}/out/hello.mp4}}\n"
    )
    store, cache = f"s3://{bucket}/store", tmp_path / "cache"
    code, report, said = farm_render(spec, store=store, cache=cache)
    assert code == 0, said
    held = objects_in(client, bucket)
    assert report["takes"][0]["sha256"] == example.sha256
    assert held["out/hello.mp4"] == example.master.read_bytes()
    assert [key for key in held if ".farm-" in key] == []
    assert open_uploads(client, bucket) == []
    assert SECRET_KEY not in said

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        code, report, said = farm_render(spec, store=store, cache=cache, **{name: "wrong-key"})
        assert (code, report["error"]["code"]) == (3, "not_readable")
        assert "wrong-key" not in said
