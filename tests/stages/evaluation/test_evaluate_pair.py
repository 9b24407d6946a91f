"""Videos judged against the truth: what must be perfect is, what is worse scores worse, what is missing is said."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from nodding_actor import FRAMES, actor_frames, write_video

from stages.errors import SpeechError, SubjectError
from stages.evaluation.figures import Evaluation
from stages.evaluation.options import EvaluationOptions, Part
from stages.evaluation.pair import evaluate_pair, evaluate_takes

FACES_ONLY = EvaluationOptions(parts=frozenset())


@pytest.fixture(scope="module")
def perfect(truth: Path) -> Evaluation:
    return evaluate_pair(truth, truth)


def test_a_video_against_itself_is_perfect(perfect: Evaluation):
    pair = perfect.pair
    assert (pair.lmd, pair.lmd_v, pair.ma, pair.ma_outer) == (0.0, 0.0, 1.0, 1.0)
    assert (pair.ssim, pair.tcm, pair.psnr, pair.mouth_psnr) == (1.0, 1.0, math.inf, math.inf)
    assert (pair.sharpness_share, pair.flicker_share) == (1.0, 1.0)
    assert perfect.generated == perfect.truth
    assert pair.frames == pair.face_frames == FRAMES


def test_the_record_is_plain_json_with_infinity_as_a_word(perfect: Evaluation):
    record = json.loads(json.dumps(perfect.as_record(), allow_nan=False))
    assert record["pair"]["psnr"] == "inf"
    assert record["generated"]["head"]["roll_spread"] > 1
    assert set(record) == {"generated", "truth", "pair", "speech", "notes"}


def test_the_sound_of_the_file_is_judged_where_no_speech_is_given(perfect: Evaluation):
    assert perfect.speech is None
    assert perfect.generated.sync is not None
    assert perfect.generated.sync.judge == "moda-farm"


def test_identity_is_measured_or_its_absence_explained(perfect: Evaluation):
    if perfect.generated.identity is None:
        assert any("identity" in note and "pip install" in note for note in perfect.notes)
    else:
        assert perfect.generated.identity > 0.9


def test_blur_costs_in_pictures_and_hardly_in_landmarks(truth: Path, perfect: Evaluation, write):
    blurred = [cv2.GaussianBlur(frame, (0, 0), 1.5) for frame in actor_frames("actor-a", count=20)]
    judged = evaluate_pair(write("blurred.mkv", blurred), truth)
    assert judged.pair.psnr < 40
    assert judged.pair.ssim < 0.99
    assert judged.pair.sharpness_share < 0.5
    assert judged.generated.niqe > perfect.generated.niqe
    assert judged.pair.lmd < 3
    assert judged.generated.sync is None
    assert any("no sound" in note for note in judged.notes)


def test_head_motion_is_taken_out_of_the_lip_distance_and_another_face_is_not(truth: Path, write):
    still = evaluate_pair(
        write("still.mkv", actor_frames("actor-a", count=20, nod=0.0)), truth, options=FACES_ONLY
    )
    other = evaluate_pair(write("other.mkv", actor_frames("actor-b", count=20)), truth, options=FACES_ONLY)
    assert still.generated.head.roll_spread < 0.2 < 1 < still.truth.head.roll_spread
    assert still.pair.lmd < other.pair.lmd / 2
    assert still.generated.frozen_share > 0.9


def test_another_size_rate_and_length_are_put_on_the_reference(truth: Path, write):
    doubled = [frame for frame in actor_frames("actor-a", count=40, size=320) for _ in range(2)]
    judged = evaluate_pair(write("other_size.mkv", doubled, fps=Fraction(50)), truth)
    assert judged.pair.frames == judged.generated.frames == 40
    assert judged.generated.fps == 50.0
    assert judged.pair.psnr > 25
    assert judged.pair.lmd < 2
    assert any(note.startswith("warning: the true video is 0.48 s longer") for note in judged.notes)
    assert any("320 x 320" in note and "256 x 256" in note for note in judged.notes)


def test_pictures_of_another_shape_are_not_compared(truth: Path, write):
    wide = [np.pad(frame, ((0, 0), (64, 64), (0, 0))) for frame in actor_frames("actor-a", count=15)]
    judged = evaluate_pair(
        write("wide.mkv", wide), truth, options=EvaluationOptions(parts=frozenset({Part.PICTURES}))
    )
    assert (judged.pair.psnr, judged.pair.ssim, judged.pair.tcm) == (None, None, None)
    assert any("differ in shape" in note for note in judged.notes)
    # The landmarks do not mind.
    assert judged.pair.lmd < 3


def test_frames_without_a_face_are_left_out_and_counted(truth: Path, write):
    frames = actor_frames("actor-a", count=40)
    frames[10:20] = [np.zeros_like(frame) for frame in frames[10:20]]
    judged = evaluate_pair(write("gap.mkv", frames), truth, options=FACES_ONLY)
    assert judged.generated.black_share == pytest.approx(10 / 40)
    assert 20 <= judged.pair.face_frames < 40
    assert judged.generated.face_share == pytest.approx(judged.pair.face_frames / 40)
    assert judged.pair.lmd < 1
    assert np.isnan(judged.traces.lip_error_T[12])
    assert np.isnan(judged.traces.generated.opening_T[12])


def test_frames_without_a_face_count_neither_for_sharpness_nor_for_diversity(truth: Path, write):
    frames = actor_frames("actor-a", count=30)
    dark = [np.zeros_like(frame) if 5 <= index < 15 else frame for index, frame in enumerate(frames)]
    options = EvaluationOptions(parts=frozenset({Part.PICTURES}))
    whole, gap = (write(name, pictures) for name, pictures in (("whole.mkv", frames), ("gap.mkv", dark)))
    judged = evaluate_pair(whole, gap, options=options)
    assert judged.pair.sharpness_share == pytest.approx(1.0, abs=0.05), (
        "not ten billion, as a black frame has none"
    )
    takes = evaluate_takes([whole, gap], truth, options=FACES_ONLY)
    assert takes.diversity is not None
    assert takes.diversity.face < 0.1


def test_takes_that_are_cut_to_another_one_are_told_so(truth: Path, write):
    frames = actor_frames("actor-a", count=30)
    takes = [write("long.mkv", frames), write("short.mkv", frames[:12])]
    long, short = evaluate_takes(takes, truth, options=FACES_ONLY).takes
    assert long.pair.frames == short.pair.frames == 12
    assert [note for note in long.notes if "another take is shorter: the 12 frames" in note]
    assert [note for note in short.notes if "the 12 frames from the start were compared" in note]


def test_sound_that_cannot_be_used_costs_only_the_figures_of_sync(truth: Path, tmp_path: Path):
    mute = tmp_path / "mute.mkv"
    with av.open(str(mute), "w") as out:
        picture = out.add_stream("libx264", rate=25, options={"crf": "4", "preset": "superfast"})
        picture.width, picture.height, picture.pix_fmt = 256, 256, "yuv420p"
        # A stream of sound without a sample in it.
        out.add_stream("pcm_s16le", rate=16_000)
        for pixels in actor_frames("actor-a", count=30):
            out.mux(picture.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        out.mux(picture.encode(None))
    judged = evaluate_pair(mute, truth, options=EvaluationOptions(parts=frozenset({Part.SYNC})))
    assert judged.generated.sync is None
    assert [note for note in judged.notes if note.startswith("generated: sync was not judged")]
    assert judged.pair.lmd < 1


def test_sync_is_not_judged_by_silence(truth: Path, write_audio):
    silence = write_audio("silence.wav", np.zeros((32_000, 1)), rate=16_000, codec="pcm_s16le")
    options = EvaluationOptions(parts=frozenset({Part.SYNC}))
    judged = evaluate_pair(truth, truth, options=options, speech=silence)
    assert judged.generated.sync is None
    assert [note for note in judged.notes if "the sound is silent throughout" in note]


def test_what_sync_is_judged_by_is_looked_at_before_the_videos(tmp_path: Path):
    with pytest.raises(SpeechError):
        evaluate_pair(tmp_path / "none.mp4", tmp_path / "none.mp4", speech=tmp_path / "none.wav")


def test_a_video_without_a_face_is_an_error_with_a_code(truth: Path, write):
    empty = write("empty.mkv", [np.full((256, 256, 3), 120, np.uint8)] * 30)
    with pytest.raises(SubjectError) as caught:
        evaluate_pair(empty, truth, options=FACES_ONLY)
    assert caught.value.code == "clip_no_face"
    assert caught.value.where == str(empty)


def test_files_that_cannot_be_read_are_errors_with_codes(truth: Path, tmp_path: Path):
    (tmp_path / "letter.mp4").write_text("dear")
    for path, code in (
        (tmp_path / "none.mp4", "clip_not_found"),
        (tmp_path / "letter.mp4", "clip_not_media"),
    ):
        with pytest.raises(SubjectError) as caught:
            evaluate_pair(truth, path)
        assert (caught.value.code, caught.value.where) == (code, str(path))
    with pytest.raises(SpeechError):
        evaluate_pair(
            truth,
            truth,
            speech=tmp_path / "none.wav",
            options=EvaluationOptions(parts=frozenset({Part.SYNC})),
        )


def test_the_figures_do_not_depend_on_the_number_of_workers(truth: Path, perfect: Evaluation, write):
    noise = np.random.default_rng(0)
    noisy = [
        np.clip(frame + noise.normal(0, 6, frame.shape), 0, 255).astype(np.uint8)
        for frame in actor_frames("actor-a", count=12)
    ]
    video = write("noisy.mkv", noisy)
    parts = frozenset({Part.PICTURES, Part.NIQE})
    one, three = (
        evaluate_pair(video, truth, options=EvaluationOptions(parts=parts, workers=workers))
        for workers in (1, 3)
    )
    assert one.as_record() == three.as_record()


def test_takes_are_told_apart(truth: Path, write):
    takes = [
        write(f"take{take}.mkv", actor_frames("actor-a", count=20, nod=nod))
        for take, nod in enumerate((0.0, 1.0), start=1)
    ]
    judged = evaluate_takes(takes, truth, options=FACES_ONLY)
    assert [take.generated.file for take in judged.takes] == [str(path) for path in takes]
    assert judged.diversity is not None
    assert judged.diversity.face > 1
    # The takes differ in their heads alone.
    assert judged.diversity.head > 5 * judged.diversity.lips
    twice = evaluate_takes([takes[0], takes[0]], truth, options=FACES_ONLY)
    assert twice.diversity is not None
    assert twice.diversity.face == 0.0


def test_progress_tells_every_step(truth: Path, write):
    told: dict[str, tuple[int, int]] = {}
    evaluate_pair(
        write("short.mkv", actor_frames("actor-a", count=10)),
        truth,
        options=EvaluationOptions(parts=frozenset({Part.PICTURES})),
        progress=lambda step, done, total: told.update({step: (done, total)}),
    )
    assert told["generated: look"][0] == 10
    assert told["generated: faces"] == told["truth: faces"] == told["generated: pictures"] == (10, 10)


def test_an_interruption_ends_the_work(truth: Path):
    class Stop(Exception):
        pass

    seen = []

    def stop(step: str, done: int, total: int) -> None:
        seen.append(step)
        if step.endswith("faces"):
            raise Stop

    with pytest.raises(Stop):
        evaluate_pair(truth, truth, progress=stop)
    assert sum(step.endswith("faces") for step in seen) <= 2


@pytest.mark.slow
def test_syncnet_judges_where_its_weights_are_given(tmp_path: Path):
    # Made-up weights: that the network is asked, with crops and sound it accepts, is all that can be told.
    import torch

    from stages.sync.syncnet import SyncNet

    torch.save(SyncNet().state_dict(), tmp_path / "syncnet_v2.model")
    longer = [*actor_frames("actor-a", count=FRAMES), *actor_frames("actor-a", count=10)]
    video = write_video(tmp_path / "longer.mkv", longer, sound=True)
    judged = evaluate_pair(
        video, video, options=EvaluationOptions(parts=frozenset({Part.SYNC}), syncnet=tmp_path)
    )
    assert judged.generated.sync is not None
    assert judged.generated.sync.judge == "syncnet"
    assert judged.generated.sync == judged.truth.sync
