"""The render job: what a studio asks for, as it is written in YAML or JSON.

    apiVersion: farm/v1
    kind: RenderJob
    metadata: {name: hello, project: demo}
    spec:
      speech: hello.wav            # or {uri: hello.wav, track: 2, gain_db: 3}
      subject: builtin:actor-a
      seed: 7
      takes: 4
      choose: ask                  # or the number of one of them; without it, all are rendered
      motion: {head: 1.0, blink: 1.0, torso: 1.0}
      output: {uri: ../out/hello.mp4, form: exact, captions: hello.srt}
      inspection: {policy: retry}
      scheduling: {tier: normal, on_quarantine: fail}

Only ``metadata.name``, ``spec.speech`` and ``spec.subject`` must be given. Unknown fields are refused, and
values are never converted: the text "7" is not the number 7.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator, model_serializer
from pydantic_core import PydanticKnownError

from jobs.background_spec import checked_background
from jobs.captions_spec import CaptionsInput, checked_captions
from jobs.forms import NetworkForm
from jobs.locations import BUILTIN_PREFIX, builtin_name, check_location, is_slug
from jobs.scheduling_spec import Scheduling
from jobs.spec_model import Location, Metadata, Seed, SpecModel, finding

LARGEST_TAKES = 99  # keys count takes with two digits
ASK: Final = "ask"
"""Of `RenderSpec.choose`: somebody chooses one of the takes before any is rendered."""

LARGEST_TRACK = 999
LARGEST_GAIN_DB = 60  # as far as from the quietest sound that is not silence to full scale
LARGEST_AMPLITUDE = 2.0  # beyond twice the learnt motion, heads leave the frame


_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{2,8})*", re.ASCII)


class Profile(StrEnum):
    """The quality of the master."""

    PREVIEW = "preview"
    FULL = "full"

    @property
    def size_px(self) -> int:
        """Width and height of the master's frames."""
        return {Profile.PREVIEW: 256, Profile.FULL: 512}[self]


class InspectionPolicy(StrEnum):
    """What happens to a segment whose pictures are not good."""

    WARN = "warn"  # it is committed, and its record says what was found
    RETRY = "retry"  # another replica renders it once more; when that is no better, the job fails
    FAIL = "fail"  # the job fails at once


def _checked_subject(subject: str) -> str:
    name = builtin_name(subject)
    if name is None:
        check_location(subject)
    elif not is_slug(name):
        raise ValueError(f"write {BUILTIN_PREFIX}NAME with the name of a subject that ships with the farm")
    return subject


def _checked_master(uri: str) -> str:
    check_location(uri)
    name = uri.rpartition("/")[2]
    if not name.lower().endswith(".mp4") or len(name) <= len(".mp4"):
        raise ValueError("must name a file that ends in .mp4")
    return uri


def _checked_profile(profile: Any) -> Any:
    if profile == "studio":
        # A studio is who pays; jobs of the first builds called the profile so.
        raise finding("renamed", "is called full by now", hint="write profile: full")
    return profile


def _checked_speech(speech: Any) -> Any:
    """A plain path is the short form of a mapping with nothing but ``uri``."""
    if isinstance(speech, str):
        check_location(speech)
        return {"uri": speech}
    if isinstance(speech, dict | SpeechInput):
        return speech
    raise PydanticKnownError("string_type")


def _checked_track(track: Any) -> Any:
    if isinstance(track, bool) or not isinstance(track, int | str):
        raise ValueError("must be the number of an audio track, from 1, or its language tag")
    if isinstance(track, str) and not _LANGUAGE.fullmatch(track):
        raise ValueError("must be the number of an audio track, from 1, or its language tag, such as eng")
    if isinstance(track, int) and not 1 <= track <= LARGEST_TRACK:
        raise ValueError(
            f"must be the number of an audio track, from 1 to {LARGEST_TRACK}, or its language tag"
        )
    return track


def _checked_choice(choice: Any) -> Any:
    is_number = isinstance(choice, int) and not isinstance(choice, bool)
    if choice is None or choice == ASK or (is_number and 1 <= choice <= LARGEST_TAKES):
        return choice
    raise ValueError(f"must be {ASK}, or the number of one of the job's takes, from 1")


SubjectLocation = Annotated[str, AfterValidator(_checked_subject)]
MasterLocation = Annotated[str, AfterValidator(_checked_master)]
Amplitude = Annotated[float, Field(ge=0.0, le=LARGEST_AMPLITUDE, allow_inf_nan=False)]


class MotionAmplitudes(SpecModel):
    """How strongly the subject moves, as factors of the learnt motion; 0 keeps that part still.

    Attributes:
        head: Head rotation and position, 0 to 2.
        blink: Eyelids and brows, 0 to 2.
        torso: Shoulders, 0 to 2.
    """

    head: Amplitude = 1.0
    blink: Amplitude = 1.0
    torso: Amplitude = 1.0


class Output(SpecModel):
    """What comes out and where it goes.

    Attributes:
        profile: ``preview`` (256 px; of a subject drawn at 512 px, averaged down) or ``full`` (512 px). When not given,
            the largest that shows what is drawn of the subject.
        form: How exactly the renderer's network is computed: ``exact``, ``bf16`` or ``int8``; see
            ``docs/performance.md``. Each has bytes of its own.
        uri: Path or ``s3://`` URI of the master; ``<name>.mp4`` beside the job's file when not given.
        captions: Cues that go with the master: a track of it, and a file beside it.
        draft: Whether every picture carries the word DRAFT.
        background: What is behind the person in the place of their own background: a colour such as ``#00b140``, or the
            path or ``s3://`` URI of a picture.
    """

    # Strict mode takes enum members only, and a file can hold nothing but their text.
    profile: Annotated[Profile | None, Field(strict=False), BeforeValidator(_checked_profile)] = None
    form: Annotated[NetworkForm, Field(strict=False)] = NetworkForm.EXACT
    uri: MasterLocation | None = None
    captions: Annotated[
        CaptionsInput | None,
        BeforeValidator(checked_captions, json_schema_input_type=str | CaptionsInput | None),
    ] = None
    draft: bool = False
    background: Annotated[str, AfterValidator(checked_background)] | None = None


class Inspection(SpecModel):
    """How rendered segments are judged before they are committed; never part of what decides their bytes.

    Attributes:
        policy: ``warn``, ``retry`` or ``fail``.
    """

    policy: Annotated[InspectionPolicy, Field(strict=False)] = InspectionPolicy.RETRY


class SpeechInput(SpecModel):
    """The recorded speech; where nothing but its place is given, that alone is written: ``speech: hello.wav``.

    Attributes:
        uri: Path or ``s3://`` URI of the recording.
        track: The audio track that is heard: its number, from 1, as players count, or its language tag where one track
            alone has it. When not given, see the rule in ``docs/speech.md``.
        gain_db: How much louder than it was recorded the motion hears the speech. When not given, what brings it to the
            level of the speech that the motion was learned from; plan and manifest tell that number.
    """

    uri: Location
    track: Annotated[int | str, BeforeValidator(_checked_track)] | None = None
    gain_db: Annotated[int, Field(ge=-LARGEST_GAIN_DB, le=LARGEST_GAIN_DB)] | None = None

    @property
    def choices(self) -> dict[str, Any]:
        """What is given beside the place."""
        return {
            name: value
            for name, value in (("track", self.track), ("gain_db", self.gain_db))
            if value is not None
        }

    @model_serializer
    def _as_written(self) -> str | dict[str, Any]:
        return {"uri": self.uri, **self.choices} if self.choices else self.uri


class RenderSpec(SpecModel):
    """The work itself.

    Attributes:
        speech: The recorded speech.
        subject: ``builtin:NAME``, or the folder or ``s3://`` URI of a subject package.
        seed: Start of all randomness; the same seed gives the same video.
        takes: How many variants there are; each draws its own noise from the seed.
        choose: Which one of several takes is rendered: its number, or ``ask``: motion alone is computed for each, shown
            in sketches, and the job waits until somebody chooses one. All of them where it is not given.
        motion: Amplitudes.
        output: Profile and place of the master.
        inspection: How rendered segments are judged.
        scheduling: How a shared farm queues the job.
    """

    speech: Annotated[SpeechInput, BeforeValidator(_checked_speech, json_schema_input_type=str | SpeechInput)]
    subject: SubjectLocation
    seed: Seed = 0
    takes: Annotated[int, Field(ge=1, le=LARGEST_TAKES)] = 1
    choose: Annotated[Literal["ask"] | int | None, BeforeValidator(_checked_choice)] = None
    motion: MotionAmplitudes = MotionAmplitudes()
    output: Output = Output()
    inspection: Inspection = Inspection()
    scheduling: Scheduling = Scheduling()

    @field_validator("choose", mode="after")
    @classmethod
    def _one_of_several(cls, choice: str | int | None, info: ValidationInfo) -> str | int | None:
        takes = info.data.get("takes")
        if choice is None or takes is None:  # where takes are wrong, that is said
            return choice
        if takes < 2:
            raise finding("nothing_to_choose", "there is one take", hint="give spec.takes, or leave it out")
        if isinstance(choice, int) and choice > takes:
            raise finding("no_such_take", f"there are {takes} takes", hint=f"choose one from 1 to {takes}")
        return choice


class RenderJob(SpecModel):
    """One render job, exactly as written; ``jobs.parse`` reads it and resolves its paths."""

    api_version: Literal["farm/v1"] = Field(alias="apiVersion")
    kind: Literal["RenderJob"]
    metadata: Metadata
    spec: RenderSpec

    @property
    def master_uri(self) -> str:
        """Where the first take's master goes, as written or by default."""
        return self.spec.output.uri or f"{self.metadata.name}.mp4"

    def choosing(self, take: int) -> RenderJob:
        """The same job, of which one take is rendered.

        Raises:
            ValueError: It has no such take, or no other one.
        """
        if not 1 <= take <= self.spec.takes or self.spec.takes < 2:
            raise ValueError(f"the job has {self.spec.takes} takes")
        return self.model_copy(update={"spec": self.spec.model_copy(update={"choose": take})})

    def shown_as(self, profile: Profile) -> RenderJob:
        """The same job with a profile that is no longer open."""
        output = self.spec.output.model_copy(update={"profile": profile})
        return self.model_copy(update={"spec": self.spec.model_copy(update={"output": output})})

    def as_record(self) -> dict[str, Any]:
        """The job as plain data with every default filled in; parsing it again gives an equal job.

        A profile that is not given stays open: the subject decides.
        """
        record = self.model_dump(mode="json", by_alias=True)
        record["spec"]["output"]["uri"] = self.master_uri
        return record
