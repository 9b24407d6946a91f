"""What comes and goes over the network: a folder for each studio, and no path from outside it.

    <root>/north/uploads/<id>/speech           what the studio uploaded, written once; the id is of its bytes
    <root>/north/masters/<id>/hello.mp4        what the farm delivered

A job of the network says ``upload:ID`` and ``builtin:NAME`` and nothing about where its masters go; what the farm is
handed has paths that start at the studio's folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

from infra.storage.base import ObjectFacts, PutOutcome
from infra.storage.folder import FolderStore
from jobs.background_spec import is_colour
from jobs.captions_spec import CaptionsForm
from jobs.documents import dotted
from jobs.errors import InputNotFound, SpecError, SpecMistake
from jobs.identity import sha256_of_file
from jobs.kinds import RENDER_JOB
from jobs.locations import builtin_name, is_s3
from jobs.parse import parse_job
from stages.encode.captions import is_vtt, read_captions
from stages.errors import CaptionsError

UPLOAD_PREFIX: Final = "upload:"
_UPLOAD: Final = re.compile(r"upload:([0-9a-f]{32})", re.ASCII)
_UPLOADED: Final = re.compile(r"uploads/([0-9a-f]{32})/speech", re.ASCII)
# Of an absolute path its last name is left; an address with a scheme is none.
_FOLDERS: Final = re.compile(r"(?<![\w:/.~])/(?:[^/\s'\"<>|]+/)+")


class StudioFiles:
    """The files of all studios."""

    def __init__(self, root: Path) -> None:
        """Nothing is made before something is uploaded; the root is absolute."""
        self._root = root
        self._store = FolderStore(root)

    def folder(self, studio: str) -> Path:
        """Where the studio's relative paths start."""
        return self._root / studio

    def keep_upload(self, studio: str, file: Path) -> tuple[str, ObjectFacts, bool]:
        """Keep a file that was uploaded.

        Returns:
            Its id, its facts, and whether it is new; the same bytes are the same upload.

        Raises:
            DiskFull, StoreError: It cannot be kept; nothing of it is.
        """
        sha256 = sha256_of_file(file)
        key = _key(studio, sha256[:32])
        outcome = self._store.put_if_absent(key, file, sha256=sha256)
        facts = ObjectFacts(key=key, size_bytes=file.stat().st_size, sha256=sha256)
        return sha256[:32], facts, outcome is PutOutcome.CREATED

    def upload(self, studio: str, upload: str) -> ObjectFacts:
        """The facts of an upload.

        Raises:
            InputNotFound: The studio has none of that id.
            StoreError: It cannot be looked at.
        """
        facts = self._store.head(_key(studio, upload)) if _UPLOAD.fullmatch(f"upload:{upload}") else None
        if facts is None:
            raise InputNotFound(
                "there is no such upload", where=f"upload:{upload[:40]}", code="unknown_upload", hint=_HINT
            )
        return facts

    def document_for_farm(self, text: str, *, json_only: bool, studio: str, place: str) -> dict[str, Any]:
        """The job of a request's body as the farm takes it in.

        Args:
            text: The body.
            json_only: It cannot be YAML.
            studio: Whose job it is.
            place: A name for the folder of its masters, another for each job.

        Raises:
            SpecError: With every mistake, also what only a job of the network may not say.
        """
        loaded = parse_job(text, folder=self.folder(studio), where="the body", json_only=json_only)
        job = loaded.job
        mistakes = list(self._mistakes(job.spec.speech.uri, job.spec.subject, job.spec.output.uri, studio))
        captions = job.spec.output.captions
        form = None
        if captions is not None:
            form = captions.form or self._form_of(studio, captions.uri)
            mistakes += self._mistakes_in_captions(captions.uri, form, studio)
        background = job.spec.output.background
        if background is not None and not is_colour(background):
            mistakes += self._mistakes_in_upload(background, "background", studio)
        if mistakes:
            raise SpecError(mistakes=mistakes, where="the body")
        document = job.model_dump(mode="json", by_alias=True, exclude_unset=True)
        spec, upload = document["spec"], job.spec.speech.uri.removeprefix(UPLOAD_PREFIX)
        uploaded = f"uploads/{upload}/speech"
        spec["speech"] = uploaded if isinstance(spec["speech"], str) else {**spec["speech"], "uri": uploaded}
        spec["output"] = {**spec.get("output", {}), "uri": f"masters/{place}/{job.metadata.name}.mp4"}
        if captions is not None and form is not None:
            uploaded = f"uploads/{captions.uri.removeprefix(UPLOAD_PREFIX)}/speech"
            named = {} if captions.language is None else {"language": captions.language}
            spec["output"]["captions"] = {"uri": uploaded, "form": form.value, **named}
        if background is not None and not is_colour(background):
            spec["output"]["background"] = f"uploads/{background.removeprefix(UPLOAD_PREFIX)}/speech"
        return document

    def public_document(self, document: dict[str, Any]) -> dict[str, Any]:
        """A job of the farm as its studio may see it: nothing about the farm's folders."""
        shown = deepcopy(document)
        spec = shown["spec"]
        if shown.get("kind", RENDER_JOB.name) != RENDER_JOB.name:
            shown["spec"] = _without_places(spec)
            return shown
        if isinstance(spec["speech"], dict):
            spec["speech"]["uri"] = _public_location(spec["speech"]["uri"])
        else:
            spec["speech"] = _public_location(spec["speech"])
        spec["subject"] = _public_location(spec["subject"])
        output = spec.get("output", {})
        output.pop("uri", None)
        captions = output.get("captions")
        if isinstance(captions, dict):
            captions["uri"] = _public_location(captions["uri"])
        elif captions is not None:
            output["captions"] = _public_location(captions)
        if output.get("background"):
            output["background"] = _public_location(output["background"])
        if not output:
            spec.pop("output", None)
        return shown

    def public_text(self, text: str, studio: str) -> str:
        """What the farm says of a job, without the folders of its machines."""
        text = text.replace(f"{self.folder(studio)}/", "")
        return without_folders(_UPLOADED.sub(rf"{UPLOAD_PREFIX}\1", text))

    def _form_of(self, studio: str, uri: str) -> CaptionsForm:
        """How captions that were uploaded are written; any form where there are none."""
        found = _UPLOAD.fullmatch(uri)
        if found is None or self._store.head(key := _key(studio, found[1])) is None:
            return CaptionsForm.VTT
        with (self._root / key).open("rb") as file:
            return CaptionsForm.VTT if is_vtt(file.read(16)) else CaptionsForm.SRT

    def _mistakes_in_captions(self, uri: str, form: CaptionsForm, studio: str) -> Iterator[SpecMistake]:
        """What is wrong with captions, cue by cue; how long the master is shows when the job is planned."""
        missing = list(self._mistakes_in_upload(uri, "captions", studio))
        if missing:
            yield from missing
            return
        try:
            key = _key(studio, uri.removeprefix(UPLOAD_PREFIX))
            read_captions(self._root / key, form=form.value)
        except CaptionsError as error:
            yield _mistake("output", error.code, error.what, error.hint, "captions")

    def _mistakes_in_upload(self, uri: str, field: str, studio: str) -> Iterator[SpecMistake]:
        found = _UPLOAD.fullmatch(uri)
        if found is None:
            yield _mistake("output", "not_an_upload", "must be upload:ID over the network", _HINT, field)
        elif self._store.head(_key(studio, found[1])) is None:
            yield _mistake("output", "unknown_upload", "there is no such upload", _HINT, field)

    def _mistakes(self, speech: str, subject: str, output: str | None, studio: str) -> Iterator[SpecMistake]:
        found = _UPLOAD.fullmatch(speech)
        if found is None:
            yield _mistake("speech", "not_an_upload", "must be upload:ID over the network", _HINT)
        elif self._store.head(_key(studio, found[1])) is None:
            yield _mistake("speech", "unknown_upload", "there is no such upload", _HINT)
        if builtin_name(subject) is None:
            hint = "write builtin:NAME"
            yield _mistake("subject", "not_builtin", "must be a subject that ships with the farm", hint)
        if output is not None:
            hint = "leave it out; GET /v1/jobs/JOB/masters/1 hands the master over"
            yield _mistake("output", "output_is_the_farms", "cannot be chosen over the network", hint, "uri")


def without_folders(text: str) -> str:
    """What is said on a machine, with the last names of its paths alone."""
    return _FOLDERS.sub("", text)


_HINT: Final = "POST the recording to /v1/uploads and name what comes back"


def _key(studio: str, upload: str) -> str:
    return f"{studio}/uploads/{upload}/speech"


def _mistake(field: str, code: str, message: str, hint: str, *below: str) -> SpecMistake:
    return SpecMistake(path=dotted(("spec", field, *below)), code=code, message=message, hint=hint)


def _without_places(value: Any) -> Any:
    """A job's field, whatever it holds, with the last names of its paths alone."""
    if isinstance(value, dict):
        return {name: _without_places(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_without_places(each) for each in value]
    return _public_location(value) if isinstance(value, str) else value


def _public_location(location: str) -> str:
    uploaded = _UPLOADED.fullmatch(location)
    if uploaded is not None:
        return f"{UPLOAD_PREFIX}{uploaded[1]}"
    if is_s3(location) or builtin_name(location) is not None:
        return location
    return location.rpartition("/")[2]
