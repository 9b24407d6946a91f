"""What is listed of any set of committed segments, in lists as RFC 8216 and Apple's authoring rules ask for them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farm.ledger import LedgerJob
from farm.ledger.segments import SegmentStates
from farm.watching.playlists import Piece, StreamedQuality, media_playlist, multivariant_playlist
from farm.watching.watched_take import watched_take
from jobs.errors import InputNotFound
from jobs.lifecycle import JobState, SegmentState

STATES = st.lists(st.sampled_from(list(SegmentState)), min_size=1, max_size=12)
DECIDED = {JobState.STITCHING, JobState.DELIVERING, JobState.SUCCEEDED}


def job_of(takes: list[list[SegmentState]], state: JobState) -> LedgerJob:
    job = LedgerJob(
        name="hello-1",
        studio="north",
        document_json='{"metadata": {"name": "hello", "project": "demo"}, "spec": {"takes": 2}}',
        folder="/",
        state=state,
        plan_hash="0123456789abcdef" * 4,
        takes=len(takes),
        segments_per_take=len(takes[0]),
        segments=SegmentStates(sum(map(len, takes))),
    )
    for number, each in enumerate(each for take in takes for each in take):
        job.segments.change(number, each)
    return job


@given(one=STATES, state=st.sampled_from(list(JobState)), data=st.data())
@settings(deadline=None)
def test_what_is_committed_is_listed_up_to_the_first_gap(
    one: list[SegmentState], state: JobState, data: st.DataObject
) -> None:
    other = data.draw(st.lists(st.sampled_from(list(SegmentState)), min_size=len(one), max_size=len(one)))
    job = job_of([one, other], state)
    for number, states in ((1, one), (2, other)):
        view = watched_take(job, number)
        usable = {SegmentState.COMMITTED} | ({SegmentState.WAIVED} if state in DECIDED else set())
        assert all(each in usable for each in states[: view.listed])
        assert view.is_whole or states[view.listed] not in usable
        assert view.filled == {k for k in range(view.listed) if states[k] is SegmentState.WAIVED}
        assert view.is_ended == (state.is_terminal or view.is_whole)
        assert view.folder == "renders/north/demo/hello/0123456789abcdef"


@given(one=STATES, data=st.data())
@settings(deadline=None)
def test_a_list_never_shrinks_while_segments_are_committed(
    one: list[SegmentState], data: st.DataObject
) -> None:
    job = job_of([one], JobState.RUNNING)
    listed = watched_take(job, 1).listed
    for index in data.draw(st.permutations(range(len(one)))):
        job.segments.change(index, SegmentState.COMMITTED)
        assert watched_take(job, 1).listed >= listed
        listed = watched_take(job, 1).listed
    assert watched_take(job, 1).is_ended


@pytest.mark.parametrize("number", [0, 3, -1])
def test_a_take_that_there_is_not(number: int) -> None:
    with pytest.raises(InputNotFound) as caught:
        watched_take(job_of([[SegmentState.READY]] * 2, JobState.RUNNING), number)
    assert caught.value.code == "unknown_take"


def test_a_job_that_is_not_planned_has_nothing_to_watch() -> None:
    job = job_of([[SegmentState.READY]], JobState.RECEIVED)
    job.takes = job.segments_per_take = 0
    view = watched_take(job, 2)
    assert (view.listed, view.is_ended) == (0, False)


@given(
    durations=st.lists(st.fractions(min_value=Fraction(1, 25), max_value=Fraction(62, 25)), max_size=30),
    is_ended=st.booleans(),
)
def test_a_media_playlist_has_all_that_players_need(durations: list[Fraction], is_ended: bool) -> None:
    pieces = [Piece(name=f"p-{index:05d}.m4s", duration=each) for index, each in enumerate(durations)]
    text = media_playlist(
        pieces,
        header="p-init.mp4",
        longest_s=2,
        began_at=datetime(2026, 1, 31, 12, 0, 0, 125_000, tzinfo=UTC),
        is_ended=is_ended,
    )
    lines = text.splitlines()
    assert lines[:2] == ["#EXTM3U", "#EXT-X-VERSION:7"]
    assert lines[-1] == ("#EXT-X-ENDLIST" if is_ended else lines[-1])
    assert text.count("#EXT-X-ENDLIST") == int(is_ended)
    # An EVENT list may be added to and never changed; all of it can be sought from the beginning on.
    assert "#EXT-X-PLAYLIST-TYPE:EVENT" in lines
    assert '#EXT-X-MAP:URI="p-init.mp4"' in lines
    assert "#EXT-X-PROGRAM-DATE-TIME:2026-01-31T12:00:00.125Z" in lines
    assert "#EXT-X-INDEPENDENT-SEGMENTS" in lines
    told = re.findall(r"#EXTINF:([0-9.]+),\n(\S+)\n", text)
    assert [name for _, name in told] == [each.name for each in pieces]
    for (seconds, _), each in zip(told, pieces, strict=True):
        assert abs(Fraction(seconds) - each.duration) < Fraction(1, 1_000_000)
        # RFC 8216, 4.3.3.1: rounded, none may be longer than the target.
        assert round(float(seconds)) <= 2


def test_a_longer_list_begins_with_the_shorter_one() -> None:
    pieces = [Piece(name=f"{k}.m4s", duration=Fraction(2)) for k in range(5)]
    began = datetime(2026, 1, 31, tzinfo=UTC)
    lists = [
        media_playlist(pieces[:k], header="h.mp4", longest_s=2, began_at=began, is_ended=False)
        for k in range(1, 6)
    ]
    for shorter, longer in pairwise(lists):
        assert longer.startswith(shorter)


def test_the_playlist_to_open_names_codecs_size_rate_and_sound() -> None:
    quality = StreamedQuality(
        codecs=("avc1.64000d", "mp4a.40.2"),
        bits_per_second=1_500_000,
        width=256,
        height=256,
        fps=Fraction(25),
        channel_count=2,
    )
    text = multivariant_playlist(quality, pictures="picture.m3u8", sound="sound.m3u8")
    stream = next(line for line in text.splitlines() if line.startswith("#EXT-X-STREAM-INF:"))
    for part in (
        "BANDWIDTH=1500000",
        'CODECS="avc1.64000d,mp4a.40.2"',
        "RESOLUTION=256x256",
        "FRAME-RATE=25.000",
        'AUDIO="sound"',
    ):
        assert part in stream
    assert text.endswith("\npicture.m3u8\n")
    media = next(line for line in text.splitlines() if line.startswith("#EXT-X-MEDIA:"))
    assert 'GROUP-ID="sound"' in media
    assert 'CHANNELS="2"' in media
    assert 'URI="sound.m3u8"' in media
    assert "#EXT-X-START:TIME-OFFSET=0\n" in text
    assert "Synthetic media" in text
