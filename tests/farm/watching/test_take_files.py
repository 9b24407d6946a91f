"""Takes watched from a real store, while a real coordinator renders them and after: what plays is the master."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from fake_stages import Fault
from small_farm import SmallFarm

from farm.coordination.state import FarmServices
from farm.retention import folder_of_render, sweep
from farm.watching.file_names import MAIN
from farm.watching.take_files import TakeFiles
from farm.watching.watched_take import watched_take
from infra.storage import ObjectStore, open_store
from jobs.errors import FarmError, InputChanged, InputNotFound
from jobs.farm_requests import CancelRequest, ChooseRequest
from jobs.plan import sound_key


def files_of(farm: SmallFarm, store: ObjectStore | None = None) -> TakeFiles:
    return TakeFiles(store or farm.services.store, cache=farm.folder / "watcher")


def saved(files: TakeFiles, farm: SmallFarm, job: str, folder: Path, *, take: int = 1) -> Path:
    """All files of a take as a player would fetch them; gives the one to open."""
    folder.mkdir(parents=True)
    wanted, seen = [MAIN], set()
    while wanted:
        name = wanted.pop()
        if name in seen:
            continue
        seen.add(name)
        content = files.file(watched_take(farm.job(job), take), name).content
        (folder / name).write_bytes(content)
        if name.endswith(".m3u8"):
            text = content.decode()
            wanted += [line for line in text.splitlines() if not line.startswith("#")]
            wanted += re.findall(r'URI="([^"]+)"', text)
    return folder / MAIN


def played(path: Path) -> tuple[list[Fraction], list[np.ndarray], np.ndarray]:
    """Times and planes of all pictures, and all samples, by FFmpeg's own reader of HLS or of a master."""
    options = {"live_start_index": "0"} if path.suffix == ".m3u8" else {}
    with av.open(str(path), options=options) as container:
        frames = list(container.decode(video=0))
    with av.open(str(path), options=options) as container:
        heard = np.concatenate([each.to_ndarray() for each in container.decode(audio=0)], axis=1)
    return [each.pts * each.time_base for each in frames], [each.to_ndarray() for each in frames], heard


def listed(files: TakeFiles, farm: SmallFarm, job: str, *, take: int = 1, of: str = "picture") -> str:
    return files.file(watched_take(farm.job(job), take), f"{of}.m3u8").content.decode()


def listed_or_code(files: TakeFiles, farm: SmallFarm, job: str) -> str:
    try:
        return listed(files, farm, job)
    except InputNotFound as error:
        return f"{error.code} {error.retry.value}"


def refusal(ask: Callable[[], Any]) -> FarmError:
    with pytest.raises(FarmError) as caught:
        ask()
    return caught.value


def test_what_plays_is_the_master_frame_by_frame_and_sample_by_sample(
    farm: SmallFarm, tmp_path: Path
) -> None:
    job = farm.submit(takes=2)
    farm.run()
    files = files_of(farm)
    for take in (1, 2):
        times, pictures, sound = played(saved(files, farm, job, tmp_path / f"take-{take}", take=take))
        wanted_times, wanted, wanted_sound = played(farm.master(take=take))
        assert times == wanted_times == [Fraction(k, 25) for k in range(117)]
        np.testing.assert_array_equal(pictures, wanted)
        np.testing.assert_array_equal(sound, wanted_sound)
        assert listed(files, farm, job, take=take).endswith("#EXT-X-ENDLIST\n")


class FarmInBucket(SmallFarm):
    """One whose store is a bucket."""

    uri = ""

    @property
    def services(self) -> FarmServices:
        return replace(super().services, store=open_store(self.uri))


def test_from_a_bucket_it_plays_as_from_a_folder(
    signing_s3_bucket: Callable[[], str], farm: SmallFarm, tmp_path: Path
) -> None:
    there = FarmInBucket(tmp_path / "there")
    there.speak("hello.wav", seconds=4.66)
    there.uri = f"s3://{signing_s3_bucket()}/store"
    made = []
    for each in (farm, there):
        job = each.submit()
        each.run()
        made.append(saved(files_of(each), each, job, each.folder / "played").parent)
    local, remote = ({path.name: path.read_bytes() for path in folder.iterdir()} for folder in made)
    for name in local.keys() | remote.keys():
        if not name.endswith(".m3u8"):  # a list says when its job came
            assert local[name] == remote[name]
    _, pictures, _ = played(made[1] / MAIN)
    np.testing.assert_array_equal(pictures, played(there.master())[1])


def test_a_list_grows_while_the_job_runs_and_plays_at_every_length(farm: SmallFarm, tmp_path: Path) -> None:
    job = farm.submit()
    files = files_of(farm)
    shown: list[str] = []
    with farm.running() as coordinator:
        for _ in range(3000):
            coordinator.step()
            if job not in farm.journal_jobs():
                continue
            now = listed_or_code(files, farm, job)
            if now == "nothing_to_watch later":
                assert shown == []
                continue
            if not shown or now != shown[-1]:
                shown.append(now)
                sound = listed(files, farm, job, of="sound")
                assert sound.count("#EXTINF") == now.count("#EXTINF")
                assert sound.count("#EXT-X-ENDLIST") == now.count("#EXT-X-ENDLIST")
                saved(files, farm, job, tmp_path / str(len(shown)))
            if coordinator.is_idle:
                break
    counts = [each.count("#EXTINF") for each in shown]
    assert counts[0] < 3, "nothing could be watched before the end"
    assert counts == sorted(counts)
    assert counts[-1] == 3
    for shorter, longer in pairwise(shown):
        assert longer.startswith(shorter)
    assert [each.endswith("#EXT-X-ENDLIST\n") for each in shown] == [False] * (len(shown) - 1) + [True]
    _, wanted, wanted_sound = played(farm.master())
    for number, count in enumerate(counts, start=1):
        # What is there ends, for a reader of files: the tag is all that is added.
        for name in ("picture.m3u8", "sound.m3u8"):
            path = tmp_path / str(number) / name
            path.write_text(path.read_text().removesuffix("#EXT-X-ENDLIST\n") + "#EXT-X-ENDLIST\n")
        times, pictures, sound_A = played(tmp_path / str(number) / MAIN)
        assert len(times) == min(50 * count, 117)
        np.testing.assert_array_equal(pictures, wanted[: len(times)])
        np.testing.assert_array_equal(sound_A, wanted_sound[:, : sound_A.shape[1]])
        assert 0 <= sound_A.shape[1] / 48_000 - len(times) / 25 < 2 * 1024 / 48_000


def test_a_gap_is_not_listed_before_the_master_does_without_it(farm: SmallFarm, tmp_path: Path) -> None:
    job = farm.submit(scheduling={"on_quarantine": "fill", "max_failed_segments": 2}, speech="hello.wav")
    farm.stages = type(farm.stages)(
        folder=farm.stages.folder, faults=(Fault(stage="render", frame=50, kind="raise", times=99),)
    )
    files = files_of(farm)
    longest_before = 0
    with farm.running() as coordinator:
        for _ in range(3000):
            coordinator.step()
            if job in farm.journal_jobs() and farm.job(job).state.value == "running":
                longest_before = max(longest_before, listed_or_code(files, farm, job).count("#EXTINF"))
            if coordinator.is_idle:
                break
    assert farm.job(job).state.value == "succeeded", farm.job(job).error
    assert longest_before == 1
    times, pictures, sound = played(saved(files, farm, job, tmp_path / "filled"))
    wanted_times, wanted, wanted_sound = played(farm.master())
    assert times == wanted_times
    np.testing.assert_array_equal(pictures, wanted)
    np.testing.assert_array_equal(sound, wanted_sound)


def test_a_job_that_is_cancelled_ends_its_list(farm: SmallFarm) -> None:
    job = farm.submit()
    files = files_of(farm)
    with farm.running() as coordinator:
        for _ in range(3000):
            coordinator.step()
            if (
                job in farm.journal_jobs()
                and farm.job(job).counts()
                and "committed" in {state.value for state in farm.job(job).counts()}
            ):
                break
        farm.ask(CancelRequest(job=job))
        coordinator.run_until(lambda: farm.job(job).state.is_terminal)
    assert farm.job(job).state.value == "cancelled"
    assert listed_or_code(files, farm, job).endswith(("#EXT-X-ENDLIST\n", "nothing_to_watch never"))


def test_files_that_there_are_not(farm: SmallFarm) -> None:
    job = farm.submit()
    farm.run()
    files, known = files_of(farm), farm.job(job)
    names = ("picture-00003.m4s", "picture-000002.m4s", "sound-99999.m4s", "x", "../hello.wav", "main.m3u8 ")
    for name in names:
        assert refusal(lambda name=name: files.file(watched_take(known, 1), name)).code == "unknown_fragment"
    assert refusal(lambda: files.file(watched_take(known, 2), MAIN)).code == "unknown_take"


def test_equal_bytes_whoever_makes_them_and_from_whichever_copy(farm: SmallFarm, tmp_path: Path) -> None:
    job = farm.submit()
    farm.run()
    first = saved(files_of(farm), farm, job, tmp_path / "first").parent
    # Another machine, with a cache of its own, and without the recording.
    (farm.folder / "hello.wav").unlink()
    other = TakeFiles(farm.services.store, cache=tmp_path / "other")
    second = saved(other, farm, job, tmp_path / "second").parent
    assert {path.name: path.read_bytes() for path in first.iterdir()} == {
        path.name: path.read_bytes() for path in second.iterdir()
    }


def test_the_sound_is_encoded_once(farm: SmallFarm, monkeypatch: pytest.MonkeyPatch) -> None:
    import farm.watching.take_files as module

    made: list[Path] = []
    monkeypatch.setattr(
        module,
        "write_sound",
        lambda file, real=module.write_sound, **given: (made.append(given["recording"]), real(file, **given)),
    )
    job = farm.submit(takes=2)
    farm.run()
    for _ in range(2):
        for take in (1, 2):
            files_of(farm).file(watched_take(farm.job(job), take), "sound-00001.m4s")
    assert len(made) == 1
    # The store has it for every other process.
    TakeFiles(farm.services.store, cache=farm.folder / "another").file(
        watched_take(farm.job(job), 1), "sound-00000.m4s"
    )
    assert len(made) == 1


def test_a_sound_of_another_kind_of_machine_is_everybodys(farm: SmallFarm) -> None:
    """Two machines made it at once, and one was quicker: the other serves what is kept."""
    job = farm.submit()
    farm.run()
    known, store = farm.job(job), farm.services.store
    files_of(farm).file(watched_take(known, 1), MAIN)
    (key,) = [each for each in store.list("renders/") if each.endswith("sound.mp4")]
    kept = store.get(key)
    store.delete(key)
    other = kept.replace(b"Synthetic media", b"synthetic media")

    class Slow:
        """The store as a machine sees it that is told of the other's sound too late."""

        uri = store.uri

        def head(self, _key: str) -> None:
            store.put_if_absent(key, other) if store.head(key) is None else None

        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

    late = TakeFiles(Slow(), cache=farm.folder / "late")  # type: ignore[arg-type]
    header = late.file(watched_take(known, 1), "sound-init.mp4").content
    assert b"synthetic media" in header


def test_a_recording_that_changed_is_told(farm: SmallFarm) -> None:
    job = farm.submit()
    farm.run()
    farm.speak("hello.wav", seconds=30)
    error = refusal(lambda: files_of(farm).file(watched_take(farm.job(job), 1), MAIN))
    assert (type(error), error.code) == (InputChanged, "input_changed")
    assert [key for key in farm.services.store.list("renders/") if key.endswith("sound.mp4")] == []


def test_what_was_swept_is_told(farm: SmallFarm) -> None:
    job = farm.submit()
    farm.run()
    files = files_of(farm)
    files.file(watched_take(farm.job(job), 1), MAIN)
    sweep(farm.services.store, let_go=[folder_of_render("north", "tests/hello")])
    assert farm.services.store.head(sound_key(files_folder(farm, job))) is None
    assert (
        refusal(lambda: files.file(watched_take(farm.job(job), 1), "picture-00000.m4s")).code
        == "segment_gone"
    )


def files_folder(farm: SmallFarm, job: str) -> str:
    return f"renders/north/tests/hello/{farm.job(job).plan_hash[:16]}"


def test_another_store_has_none_of_it(farm: SmallFarm, tmp_path: Path) -> None:
    job = farm.submit()
    farm.run()
    elsewhere = TakeFiles(open_store(str(tmp_path / "elsewhere")), cache=tmp_path / "cache")
    assert refusal(lambda: elsewhere.file(watched_take(farm.job(job), 1), MAIN)).code == "segment_gone"


def test_of_several_takes_the_chosen_one_alone_is_watched(farm: SmallFarm, tmp_path: Path) -> None:
    job = farm.submit(takes=3, choose="ask")
    farm.run()
    with pytest.raises(InputNotFound, match="nobody has chosen yet") as waiting:
        watched_take(farm.job(job), 2)
    assert waiting.value.retry.value == "later"
    farm.ask(ChooseRequest(job=job, take=2))
    farm.run()
    _, frames, _ = played(saved(files_of(farm), farm, job, tmp_path / "played", take=2))
    _, master, _ = played(farm.master(take=2))
    assert all(np.array_equal(*pair) for pair in zip(frames, master, strict=True))
    with pytest.raises(InputNotFound, match="take 2 was chosen") as other:
        watched_take(farm.job(job), 1)
    assert other.value.code == "nothing_to_watch"


def test_captions_are_a_rendition_that_plays_with_the_times_of_the_master(
    farm: SmallFarm, tmp_path: Path
) -> None:
    words = "WEBVTT\n\n00:01.000 --> 00:03.000 line:0\nOver two <i>segments</i>\n\n00:04.100 --> 00:09.000\nCut.\n"
    (farm.folder / "hello.vtt").write_text(words)
    job = farm.submit(output={"uri": "out/hello.mp4", "captions": "hello.vtt"})
    farm.run()
    path = saved(files_of(farm), farm, job, tmp_path / "played")
    assert sorted(each.name for each in path.parent.glob("*.vtt")) == [
        f"captions-{k:05d}.vtt" for k in range(3)
    ]
    assert 'SUBTITLES="captions"' in path.read_text()
    spans = []
    for each in sorted(path.parent.glob("*.vtt")):
        with av.open(str(each)) as container:
            spans.append(
                [(cue.pts, cue.pts + cue.duration) for cue in container.demux() if cue.pts is not None]
            )
    assert spans == [[(1000, 3000)], [(1000, 3000)], [(4100, 4680)]]
    with av.open(str(path), options={"live_start_index": "0"}) as container:
        kinds = {stream.type for stream in container.streams}
    assert kinds == {"video", "audio", "subtitle"}
    times, _, _ = played(path)
    assert len(times) == 117


def test_a_take_whose_captions_were_taken_away_is_watched_without(farm: SmallFarm, tmp_path: Path) -> None:
    words = farm.folder / "hello.vtt"
    words.write_text("WEBVTT\n\n00:01.000 --> 00:03.000\nWords.\n")
    job = farm.submit(output={"uri": "out/hello.mp4", "captions": "hello.vtt"})
    farm.run()
    words.unlink()
    path = saved(files_of(farm), farm, job, tmp_path / "played")
    assert "SUBTITLES" not in path.read_text()
    assert len(played(path)[0]) == 117
