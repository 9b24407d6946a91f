"""The whole preparation of three seconds of a digital actor whose sound was made late, or early."""

from __future__ import annotations

from fractions import Fraction
from itertools import islice
from math import ceil, nan
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import yaml

from stages.errors import SpeechError, SubjectError
from stages.geometry.canonical import pose
from stages.payloads import PosedFace
from stages.render.renderer_loading import load_renderer
from stages.speech.decode import read_speech
from stages.subject.library_file import read_library
from stages.subject.package import SubjectPackage
from stages.subject.tracks import ClipTracks
from stages.video.decoding import read_frames

FIRST, FRAMES, LAG = 200, 90, 4.6


def write(path: Path, frames_HW3: list[np.ndarray], samples_S: np.ndarray | None) -> Path:
    height, width = frames_HW3[0].shape[:2]
    with av.open(str(path), "w") as out:
        picture = out.add_stream("libx264", rate=25, options={"crf": "10", "preset": "superfast"})
        picture.width, picture.height, picture.pix_fmt = width, height, "yuv420p"
        voice = None
        if samples_S is not None:
            voice = out.add_stream("pcm_s16le", rate=16_000)
            voice.layout = "mono"
        for index, frame_HW3 in enumerate(frames_HW3):
            frame = av.VideoFrame.from_ndarray(frame_HW3, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            out.mux(picture.encode(frame))
        out.mux(picture.encode(None))
        if voice is not None and samples_S is not None:
            pcm = np.round(samples_S * 32767).astype(np.int16)[None]
            sound = av.AudioFrame.from_ndarray(pcm, format="s16", layout="mono")
            sound.sample_rate, sound.time_base, sound.pts = 16_000, Fraction(1, 16_000), 0
            out.mux(voice.encode(sound))
            out.mux(voice.encode(None))
    return path


@pytest.fixture(scope="module")
def preparation():
    try:
        import stages.subject.preparation as module
    except (ImportError, OSError) as error:
        pytest.skip(f"MediaPipe cannot be loaded: {error}")
    return module


@pytest.fixture(scope="module")
def actor(data: Path) -> tuple[list[np.ndarray], np.ndarray]:
    """Frames and 16 kHz speech."""
    source = data / "actors" / "actor_b.mp4"
    shown = slice(FIRST * 640, (FIRST + FRAMES) * 640)
    return list(islice(read_frames(source), FIRST, FIRST + FRAMES)), read_speech(source).samples_S[shown]


@pytest.fixture
def consent(tmp_path: Path) -> Path:
    path = tmp_path / "agreement.txt"
    path.write_text("Nobody is shown.")
    return path


class Steps:
    """Counts what was done; may stop at a step, as a kill would."""

    def __init__(self, stop_at: str = "", *, done: int = 0) -> None:
        self.counted: dict[str, int] = {}
        self._stop_at, self._done = stop_at, done

    def __call__(self, step: str, done: int, total: int) -> None:
        self.counted[step] = self.counted.get(step, 0) + 1
        if step == self._stop_at and done == self._done:
            raise KeyboardInterrupt


def speaks_untrained(package: SubjectPackage, tracks: ClipTracks) -> None:
    """Its own held-out end is drawn much as it was filmed."""
    assert not package.is_trained
    stage = load_renderer(subject=package, device="cpu")
    shown = slice(tracks.facts.trained_frames, tracks.facts.trained_frames + 2)
    face = PosedFace(
        mesh_TN3=pose(tracks.canonical_TN3[shown], tracks.head_T7[shown]), torso_TN3=tracks.torso_TN3[shown]
    )
    drawn = list(stage.render(face, first_frame=0))
    assert [frame.shape for frame in drawn] == [(512, 512, 3)] * 2
    assert cv2.PSNR(drawn[0], package.reference_HW3) > 18


@pytest.mark.slow
@pytest.mark.parametrize("lag", [LAG, -LAG], ids=["late sound", "early sound"])
def test_a_clip_becomes_a_package_also_when_it_is_interrupted(
    preparation, actor, consent: Path, tmp_path: Path, lag: float
):
    frames_HW3, speech_S = actor
    shift = round(LAG * 640)
    silence_S = np.zeros(shift, np.float32)
    moved_S = np.concatenate([silence_S, speech_S] if lag > 0 else [speech_S[shift:], silence_S])
    clip = write(tmp_path / "moved.mkv", frames_HW3, moved_S[: FRAMES * 640])
    request = preparation.SubjectRequest(clip=clip, name="Moved", consent=consent, out=tmp_path / "moved")
    with pytest.raises(KeyboardInterrupt):
        preparation.prepare_subject(request, progress=Steps(stop_at="track", done=10))
    assert not (request.out / "subject.yaml").exists()
    assert not (request.out / "clip" / "frames.mp4").exists()
    with pytest.raises(KeyboardInterrupt):
        preparation.prepare_subject(request, progress=Steps(stop_at="report"))
    assert not (request.out / "subject.yaml").exists()

    again = Steps()
    report = preparation.prepare_subject(request, progress=again)
    assert again.counted["track"] == 1, "what was tracked before is not tracked again"
    assert again.counted["pictures"] == 1, "pictures are cut, not made again"
    # The actor's own sound leads by about a third of a frame.
    assert report.figures.offset_frames == pytest.approx(lag - 0.3, abs=0.6)
    corrected = report.figures.offset_corrected
    assert corrected == report.figures.offset_frames
    assert report.figures.detected == 1.0
    assert report.figures.round_trip_px < 1e-3

    tracks = ClipTracks.load(request.out)
    skipped = max(0, ceil(-corrected))
    assert tracks.frame_count == FRAMES - ceil(abs(corrected))
    assert tracks.facts.first_frame == skipped
    assert tracks.facts.dropped_samples == round((skipped + corrected) * 640)
    assert tracks.facts.trained_frames == int(0.85 * tracks.frame_count)
    assert len(tracks.speech_S) == 640 * tracks.frame_count
    stored = list(read_frames(request.out / "clip" / "frames.mp4"))
    assert len(stored) == tracks.frame_count
    for index in (0, tracks.frame_count - 1):
        assert np.abs(stored[index].astype(float) - frames_HW3[skipped + index]).mean() < 3

    facts = yaml.safe_load((request.out / "subject.yaml").read_text())
    assert facts["consent_record"] == "consent.txt"
    package = SubjectPackage.load(request.out)
    np.testing.assert_array_equal(package.reference_HW3, stored[report.figures.reference_frame])
    speaks_untrained(package, tracks)
    library = read_library(package.library, template=package.template)
    assert len(library.frames_R) == report.figures.references
    assert library.plate.unseen == pytest.approx(report.figures.background_unseen, abs=1e-3)
    assert "background" in {verdict.code for verdict in report.verdicts}

    done = Steps()
    assert preparation.prepare_subject(request, progress=done) == report
    assert not done.counted, "nothing is left to do"


@pytest.mark.slow
def test_pictures_follow_a_told_lag_that_is_longer_than_any_that_is_found(
    preparation, actor, consent: Path, tmp_path: Path
):
    frames_HW3, speech_S = actor
    clip = write(tmp_path / "told.mkv", frames_HW3, speech_S)
    request = preparation.SubjectRequest(
        clip=clip, name="Told", consent=consent, out=tmp_path / "told", audio_lag=-30.5
    )
    preparation.prepare_subject(request, progress=Steps())
    assert ClipTracks.load(request.out).facts.first_frame == 31
    stored = list(read_frames(request.out / "clip" / "frames.mp4"))
    assert len(stored) == FRAMES - 31
    for index in (0, len(stored) - 1):
        assert np.abs(stored[index].astype(float) - frames_HW3[31 + index]).mean() < 3


def test_no_consent_refuses_before_the_clip_is_touched(preparation, tmp_path: Path):
    request = preparation.SubjectRequest(
        clip=tmp_path / "none.mp4", name="X", consent=tmp_path / "none.pdf", out=tmp_path / "x"
    )
    with pytest.raises(SubjectError) as caught:
        preparation.prepare_subject(request, progress=Steps())
    assert caught.value.code == "subject_no_consent"
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("lag", [nan, 1e9, -251])
def test_a_lag_that_is_none_is_refused_before_the_clip_is_touched(preparation, consent, tmp_path: Path, lag):
    request = preparation.SubjectRequest(
        clip=tmp_path / "none.mp4", name="X", consent=consent, out=tmp_path / "x", audio_lag=lag
    )
    with pytest.raises(SubjectError) as caught:
        preparation.prepare_subject(request, progress=Steps())
    assert caught.value.code == "subject_bad_lag"
    assert not (tmp_path / "x").exists()


def refusal(preparation, clip: Path, consent: Path, out: Path) -> SubjectError:
    request = preparation.SubjectRequest(clip=clip, name="X", consent=consent, out=out)
    with pytest.raises(SubjectError) as caught:
        preparation.prepare_subject(request, progress=Steps())
    assert (out / "report" / "index.html").is_file(), "the reason can be read"
    assert not (out / "subject.yaml").exists(), "and there is no package"
    with pytest.raises(SubjectError) as repeated:
        preparation.prepare_subject(request, progress=Steps())
    assert repeated.value.code == caught.value.code
    return caught.value


def test_a_clip_without_sound_is_refused(preparation, consent: Path, tmp_path: Path):
    clip = write(tmp_path / "mute.mkv", [np.full((64, 64, 3), 90, np.uint8)] * 60, None)
    assert refusal(preparation, clip, consent, tmp_path / "x").code == "clip_no_sound"


def test_a_clip_without_a_face_is_refused(preparation, consent: Path, tmp_path: Path):
    clip = write(tmp_path / "wall.mkv", [np.full((64, 64, 3), 90, np.uint8)] * 60, np.zeros(60 * 640))
    assert refusal(preparation, clip, consent, tmp_path / "x").code == "clip_no_face"


@pytest.mark.parametrize("kind", ["no such track", "no decoder"])
def test_sound_that_cannot_be_heard_is_refused_before_any_picture_is_looked_at(
    preparation, consent: Path, tmp_path: Path, kind: str
):
    clip = write(tmp_path / "a.mkv", [np.full((64, 64, 3), 90, np.uint8)] * 60, np.zeros(60 * 640))
    if kind == "no decoder":
        clip.write_bytes(clip.read_bytes().replace(b"A_PCM/INT/LIT", b"A_QZX/INT/LIT"))
    request = preparation.SubjectRequest(
        clip=clip,
        name="X",
        consent=consent,
        out=tmp_path / "x",
        audio_track=2 if kind == "no such track" else None,
    )
    steps = Steps()
    with pytest.raises(SpeechError) as caught:
        preparation.prepare_subject(request, progress=steps)
    assert caught.value.code in ("speech_track_unknown", "speech_codec_unknown")
    assert not steps.counted
    assert not request.out.exists()


def test_two_people_are_refused(preparation, actor, consent: Path, tmp_path: Path):
    frames_HW3, speech_S = actor
    pairs = [np.concatenate([frame_HW3, frame_HW3[:, ::-1]], axis=1) for frame_HW3 in frames_HW3[:55]]
    clip = write(tmp_path / "pair.mkv", pairs, speech_S[: 55 * 640])
    assert refusal(preparation, clip, consent, tmp_path / "x").code == "clip_several_faces"


def test_a_silent_clip_is_refused(preparation, actor, consent: Path, tmp_path: Path):
    clip = write(tmp_path / "silent.mkv", actor[0][:55], np.zeros(55 * 640))
    assert refusal(preparation, clip, consent, tmp_path / "x").code == "clip_silence"


def test_a_clip_under_two_seconds_is_refused(preparation, actor, consent: Path, tmp_path: Path):
    clip = write(tmp_path / "short.mkv", actor[0][:45], actor[1][: 45 * 640])
    assert refusal(preparation, clip, consent, tmp_path / "x").code == "clip_too_short"


@pytest.mark.slow
def test_a_clip_whose_pictures_fit_into_no_library_is_refused(
    preparation, actor, consent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("stages.subject.library_file.LARGEST_LIBRARY", 1000)
    clip = write(tmp_path / "clip.mkv", actor[0][:55], actor[1][: 55 * 640])
    assert refusal(preparation, clip, consent, tmp_path / "x").code == "clip_too_noisy"
    assert not ClipTracks.is_complete(tmp_path / "x"), "nor anything to train on"
