"""What goes wrong on the farm's own side: told in the one form, without the places of its machines."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from api_client import Api, document, uploaded
from stand_in_farm import StandInFarm

from farm.api.studio_files import StudioFiles, without_folders


def test_a_journal_that_fails_is_503_and_its_place_nobodys_business(api: Api, tmp_path: Path) -> None:
    with api.client() as client:
        assert client.get("/v1/jobs").status_code == 200
        with sqlite3.connect(api.settings.journal) as database:
            database.execute("ALTER TABLE heartbeats RENAME TO elsewhere")
        answer = client.get("/v1/jobs")
        assert (answer.status_code, answer.json()["where"]) == (503, "the journal")
        assert str(tmp_path) not in answer.text
        assert client.get("/v1/health").status_code == 200
        with sqlite3.connect(api.settings.journal) as database:
            database.execute("ALTER TABLE elsewhere RENAME TO heartbeats")
        database.close()
        assert client.get("/v1/jobs").status_code == 200


def test_a_place_for_uploads_that_cannot_be_used_is_told_without_its_name(api: Api, tmp_path: Path) -> None:
    api.settings.studios.write_text("a file where a folder should be")
    with api.client() as client:
        answer = client.post("/v1/uploads", content=b"sound")
    assert answer.status_code in (500, 503, 507)
    assert str(tmp_path) not in answer.text


def test_what_nobody_foresaw_is_told_by_a_number_and_kept_in_a_file(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    caplog.set_level(logging.CRITICAL, logger="uvicorn.error")

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(f"something at {tmp_path}/secret/place")

    monkeypatch.setattr("farm.api.studio_jobs.StudioJobs.page", fail)
    with api.client() as client:
        answer = client.get("/v1/jobs")
        assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
        assert answer.headers["x-request-id"] == answer.json()["request_id"]
        assert str(tmp_path) not in answer.text
        assert client.get("/v1/keys").status_code == 403
    (kept,) = (api.settings.cache / "crashes").iterdir()
    assert "secret/place" in kept.read_text()


def test_a_request_that_the_farm_answers_too_late_is_carried_out_once(api: Api) -> None:
    headers = {"Idempotency-Key": "slow"}
    with api.client() as client:
        job = document(uploaded(client))
        assert client.post("/v1/jobs", json=job, headers=headers).status_code == 202
        farm = StandInFarm(api.settings.journal)
        assert client.post("/v1/jobs", json=job, headers=headers).status_code == 201
        farm.stop()
    assert len(farm.requests) == 1


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("'/var/lib/farm/store/renders/x.mp4' has no room", "'x.mp4' has no room"),
        ("/a/b/c/: x", ": x"),
        ("see https://host/a/b and s3://bucket/a/b.mp4", "see https://host/a/b and s3://bucket/a/b.mp4"),
        ("1/2 of it, and/or none", "1/2 of it, and/or none"),
        ("nothing", "nothing"),
    ],
)
def test_paths_are_left_out_of_sentences_and_addresses_are_not(said: str, shown: str) -> None:
    assert without_folders(said) == shown
    assert without_folders(shown) == shown


def test_a_studios_own_files_are_called_as_it_calls_them(tmp_path: Path) -> None:
    files = StudioFiles(tmp_path)
    upload = f"{tmp_path}/north/uploads/{'a' * 32}/speech"
    assert files.public_text(f"'{upload}' is silent", "north") == f"'upload:{'a' * 32}' is silent"
