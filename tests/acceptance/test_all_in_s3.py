"""A job with its speech, subject, store and output in a bucket, by the command line, on a real Ray."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bucket_audit import direct_client, keys_in, objects_in, open_uploads
from rclone_server import SECRET_KEY

from stages.builtin import builtin_subject

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]


def package(folder: Path) -> Path:
    """A subject package that is complete in itself; those that ship share one renderer."""
    actor = builtin_subject("actor-a")
    folder.mkdir()
    for path in (*actor.iterdir(), actor.parent / "renderer.safetensors"):
        (folder / path.name).write_bytes(path.read_bytes())
    facts = folder / "subject.yaml"
    facts.write_text(facts.read_text().replace("../renderer", "renderer"))
    return folder


def farm_render(
    folder: Path, *, speech: str, subject: str, output: str, store: str, **environment: str
) -> tuple[int, dict[str, Any], str]:
    """Exit code, report and everything that was printed."""
    spec = folder / "job.yaml"
    spec.write_text(
        "apiVersion: farm/v1\nkind: RenderJob\nmetadata: {name: hello, project: acceptance}\n"
        f"spec:\n  speech: {speech}\n  subject: {subject}\n  seed: 7\n"
        f"  output: {{profile: preview, uri: {output}}}\n"
    )
    command = [sys.executable, "-m", "farm", "render", str(spec), "--store", store, "--json"]
    variables = {**os.environ, "FARM_CACHE": str(folder / "cache"), **environment}
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=variables, check=False)
    return run.returncode, json.loads(run.stdout), run.stdout + run.stderr


def test_a_job_that_is_all_in_a_bucket_gives_the_bytes_of_one_in_folders(
    example_speech: Path, signing_s3_bucket: Callable[[], str], signing_s3_server: str, tmp_path: Path
) -> None:
    local = {"speech": str(example_speech), "subject": str(package(tmp_path / "actor-a"))}
    local |= {"output": str(tmp_path / "out" / "hello.mp4"), "store": str(tmp_path / "store")}
    code, report, said = farm_render(tmp_path, **local)
    assert code == 0, said
    sha256 = report["takes"][0]["sha256"]

    bucket, client = signing_s3_bucket(), direct_client(signing_s3_server)
    client.upload_file(local["speech"], bucket, "in/hello.wav")
    for path in Path(local["subject"]).iterdir():
        client.upload_file(str(path), bucket, f"subjects/actor-a/{path.name}")
    there = {"speech": f"s3://{bucket}/in/hello.wav", "subject": f"s3://{bucket}/subjects/actor-a"}
    there |= {"output": f"s3://{bucket}/out/hello.mp4", "store": f"s3://{bucket}/store"}
    code, report, said = farm_render(tmp_path, **there)
    assert code == 0, said
    assert report["takes"][0]["sha256"] == sha256
    assert objects_in(client, bucket)["out/hello.mp4"] == Path(local["output"]).read_bytes()
    assert [key for key in keys_in(client, bucket) if ".farm-" in key] == []
    assert open_uploads(client, bucket) == []
    assert SECRET_KEY not in said

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        code, report, said = farm_render(tmp_path, **there, **{name: "wrong-key"})
        assert (code, report["error"]["code"]) == (3, "not_readable")
        assert "wrong-key" not in said
