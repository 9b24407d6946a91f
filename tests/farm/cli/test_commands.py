"""The commands as a user types them, in this process: exit codes, one line per error, JSON for scripts."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from fake_stages import FakeStages, Fault

from farm.cli import main
from farm.cli.wiring import Wiring
from farm.execution.opening import opened_inline
from farm.execution.pools.backend import PoolBackend
from infra.hardware import Hardware
from jobs.errors import ExitCode

MACHINE = Hardware(cores=2, memory_bytes=8 << 30, cpu_kind="cpu test", gpus=())

Farm = Callable[..., int]


def inline(*, stages: Any, **_ignored: Any) -> AbstractContextManager[PoolBackend]:
    return opened_inline(stages=stages)


@pytest.fixture
def farm(tmp_path: Path, stages: FakeStages, monkeypatch: pytest.MonkeyPatch) -> Farm:
    """Runs a command line with small stages and without processes."""
    monkeypatch.setenv("FARM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FARM_STORE", str(tmp_path / "store"))

    def run(*arguments: str | Path, stages: FakeStages = stages) -> int:
        wiring = Wiring(stages=stages, open_on=inline, probe=lambda: MACHINE)
        return main([str(argument) for argument in arguments], wiring=wiring)

    return run


@pytest.fixture
def spec(tmp_path: Path, write_speech: Any, make_job: Any) -> Path:
    write_speech()
    make_job(seed=7)
    return tmp_path / "hello.yaml"


def test_render_writes_the_master_and_tells_the_time_by_step(
    farm: Farm, spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert farm("render", spec) == ExitCode.OK
    out, err = capsys.readouterr()
    assert (tmp_path / "out" / "hello.mp4").is_file()
    assert str(tmp_path / "out" / "hello.mp4") in out
    for word in ("speech", "motion", "face", "render", "stitch", "wall clock", "start-up", "per s of speech"):
        assert word in out
    assert err == ""


def test_render_json_is_one_document_with_the_hash_and_the_seconds(
    farm: Farm, spec: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert farm("render", spec, "--json") == ExitCode.OK
    out, err = capsys.readouterr()
    record = json.loads(out)
    assert record["ok"] is True
    assert record["frame_count"] == 65
    assert len(record["takes"][0]["sha256"]) == 64
    assert record["segments"] == {"total": 2, "already_committed": 0}
    assert set(record["seconds"]["work_by_step"]) == {"speech", "motion", "face", "render", "stitch"}
    assert err == ""


def test_rendering_again_says_what_was_committed_already(
    farm: Farm, spec: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    farm("render", spec)
    capsys.readouterr()
    assert farm("render", spec) == ExitCode.OK
    assert "2 of 2 segments were already committed" in capsys.readouterr().err


def test_the_store_option_wins_over_the_environment(farm: Farm, spec: Path, tmp_path: Path) -> None:
    assert farm("render", spec, "--store", tmp_path / "mine", "--replicas", "3") == ExitCode.OK
    assert (tmp_path / "mine" / "renders" / "default" / "tests" / "hello").is_dir()
    assert not (tmp_path / "store").exists()


def test_plan_shows_the_work_and_renders_nothing(
    farm: Farm, spec: Path, stages: FakeStages, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert farm("plan", spec) == ExitCode.OK
    out = capsys.readouterr().out
    assert "65 at 25 per second" in out
    assert "renders/default/tests/hello/" in out
    assert "0 of 2 segments" in out
    assert "whether other plans rendered any of the 2" in out
    assert not (tmp_path / "out").exists()
    assert stages.noted("motion-") == stages.noted("render-") == 0
    loaded = stages.noted("load-")
    assert farm("plan", spec) == ExitCode.OK
    assert stages.noted("load-") == loaded, "what was loaded once is known to load"


def test_plan_json_names_the_folder_of_the_plan_and_what_is_not_known_of_its_segments(
    farm: Farm, spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    farm("plan", spec, "--json")
    plan = json.loads(capsys.readouterr().out)
    assert (plan["already_committed"], plan["to_be_looked_for"]) == (0, 2)
    farm("render", spec, "--json")
    assert json.loads(capsys.readouterr().out)["plan_hash"] == plan["plan"]["plan_hash"]
    assert (tmp_path / "store" / plan["plan"]["prefix"] / "take-01" / "segment-00001.json").is_file()
    farm("plan", spec, "--json")
    plan = json.loads(capsys.readouterr().out)
    assert (plan["already_committed"], plan["to_be_looked_for"]) == (2, 0)


@pytest.mark.parametrize(
    ("fields", "code", "exit_code"),
    [
        pytest.param({"speech": "absent.wav"}, "input_not_found", ExitCode.INPUT, id="no such file"),
        pytest.param({"speech": "hello.yaml"}, "speech_not_media", ExitCode.INPUT, id="not audio"),
        pytest.param({"subject": "builtin:fak"}, "unknown_subject", ExitCode.CASTING, id="unknown subject"),
        pytest.param({"subject": "nowhere"}, "unknown_subject", ExitCode.CASTING, id="no subject folder"),
        pytest.param({"sede": 7}, "unknown_field", ExitCode.USAGE, id="unknown field"),
        pytest.param({"seed": "'7'"}, "wrong_type", ExitCode.USAGE, id="wrong type"),
        pytest.param(
            {"output": {"uri": "/proc/x.mp4"}}, "output_unwritable", ExitCode.OUTPUT, id="unwritable"
        ),
        pytest.param(
            {"output": {"profile": "full", "uri": "x.mp4"}},
            "weights_mismatch",
            ExitCode.CASTING,
            id="profile",
        ),
    ],
)
def test_a_bad_job_ends_in_one_line_with_its_code_and_leaves_nothing(
    fields: dict[str, Any],
    code: str,
    exit_code: ExitCode,
    farm: Farm,
    write_speech: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_speech()
    spec = {"speech": "hello.wav", "subject": "builtin:fake", "output": {"uri": "out/hello.mp4"}} | fields
    lines = [f"  {name}: {_inline(value)}" for name, value in spec.items()]
    text = "\n".join(["apiVersion: farm/v1", "kind: RenderJob", "metadata: {name: hello}", "spec:", *lines])
    (tmp_path / "hello.yaml").write_text(text + "\n")
    assert farm("render", tmp_path / "hello.yaml") == exit_code
    out, err = capsys.readouterr()
    assert out == ""
    errors = [line for line in err.splitlines() if line.startswith("error ")]
    assert len(errors) == 1
    assert f"[{code}" in errors[0]
    assert not list(tmp_path.rglob("*.mp4"))
    assert not (tmp_path / "out").exists()

    assert farm("render", tmp_path / "hello.yaml", "--json") == exit_code
    out, err = capsys.readouterr()
    record = json.loads(out)
    assert record["ok"] is False
    assert record["error"]["exit_code"] == exit_code
    assert err == ""


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {item}" for name, item in value.items()) + "}"
    return str(value)


def test_all_mistakes_of_a_job_are_shown_at_once_with_their_paths_and_hints(
    farm: Farm, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "apiVersion: farm/v1\nkind: RenderJob\nmetadata: {name: x}\nspec:\n  sede: 7\n  subject: 3\n"
    (tmp_path / "bad.yaml").write_text(text)
    assert farm("render", tmp_path / "bad.yaml") == ExitCode.USAGE
    err = capsys.readouterr().err
    assert err.count("error [") == 3
    assert "spec.sede" in err
    assert "did you mean 'seed'?" in err
    assert "spec.subject" in err
    assert "spec.speech" in err


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["render"], id="no job"),
        pytest.param(["render", "x.yaml", "--replicas", "0"], id="no replica"),
        pytest.param(["render", "x.yaml", "--replicas", "two"], id="not a number"),
        pytest.param(["rendr", "x.yaml"], id="unknown command"),
        pytest.param(["render", "x.yaml", "--stroe", "y"], id="unknown option"),
        pytest.param(["render", "absent.yaml"], id="no such job"),
    ],
)
def test_a_wrong_command_line_ends_with_exit_code_two(
    arguments: list[str], farm: Farm, capsys: pytest.CaptureFixture[str]
) -> None:
    assert farm(*arguments) == ExitCode.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error [")
    assert "Traceback" not in err
    assert farm(*arguments, "--json") == ExitCode.USAGE
    assert json.loads(capsys.readouterr().out)["ok"] is False


def test_a_failing_stage_ends_with_the_segment_that_failed(
    farm: Farm, spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    faulty = FakeStages.in_folder(
        tmp_path / "faulty", faults=(Fault(stage="render", frame=50, kind="raise", times=99),)
    )
    assert farm("render", spec, stages=faulty) == ExitCode.RENDER
    assert "[segment_failed] take 1, segment 1 (render)" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_interrupt_ends_with_130_keeps_segments_and_leaves_no_master(
    farm: Farm, spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    faulty = FakeStages.in_folder(
        tmp_path / "faulty", faults=(Fault(stage="render", frame=50, kind="interrupt"),)
    )
    assert farm("render", spec, stages=faulty) == ExitCode.INTERRUPTED
    assert "[cancelled]" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert farm("render", spec) == ExitCode.OK
    assert "1 of 2 segments were already committed" in capsys.readouterr().err


def test_the_help_documents_every_exit_code(farm: Farm, capsys: pytest.CaptureFixture[str]) -> None:
    assert farm("render", "--help") == ExitCode.OK
    out = " ".join(capsys.readouterr().out.split())
    for code in ExitCode:
        assert f"{code.value} {code.meaning}" in out


def test_the_version_is_the_projects(farm: Farm, capsys: pytest.CaptureFixture[str]) -> None:
    assert farm("--version") == ExitCode.OK
    assert capsys.readouterr().out.startswith("moda-farm ")


def test_a_broken_environment_is_named(
    farm: Farm, spec: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "perhaps")
    assert farm("render", spec) == ExitCode.USAGE
    assert "RAY_AUTH_MODE" in capsys.readouterr().err


@pytest.fixture
def asking(tmp_path: Path, write_speech: Any, make_job: Any) -> Path:
    write_speech()
    make_job("asking", takes=3, choose="ask")
    return tmp_path / "asking.yaml"


def test_a_render_that_asks_draws_its_takes_and_renders_the_one_that_is_chosen(
    farm: Farm, asking: Path, stages: FakeStages, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert farm("render", asking, "--json") == ExitCode.OK
    told = json.loads(capsys.readouterr().out)
    assert (told["state"], [each["take"] for each in told["choice"]["takes"]]) == ("held", [1, 2, 3])
    for each in told["choice"]["takes"]:
        assert Path(each["sheet"]).is_file()
        assert Path(each["playback"]).is_file()
        assert each["price_seconds"] > 0
    assert stages.noted("render-") == 0
    windows = stages.noted("motion-")
    assert farm("render", asking, "--choose", "2") == ExitCode.OK
    assert "hello.take2.mp4" in capsys.readouterr().out
    assert stages.noted("motion-") == windows
    assert stages.noted("render-") == 2
    assert not (tmp_path / "out" / "hello.mp4").exists()


def test_a_render_that_asks_tells_people_where_to_look(
    farm: Farm, asking: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert farm("render", asking) == ExitCode.OK
    said = capsys.readouterr()
    assert said.out.count("sheet.jpg") == said.out.count("playback.mp4") == 3
    assert "--choose TAKE" in said.err


@pytest.mark.parametrize(("name", "take"), [("asking", "4"), ("hello", "1")])
def test_a_take_that_is_not_there_cannot_be_chosen(
    farm: Farm, asking: Path, spec: Path, name: str, take: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = {"asking": asking, "hello": spec}[name]
    assert farm("render", path, "--choose", take, "--json") == ExitCode.USAGE
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "no_such_take"


def test_a_plan_says_that_one_take_of_several_is_rendered(
    farm: Farm, asking: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert farm("plan", asking) == ExitCode.OK
    assert "one of 3 is rendered, once somebody chose it" in capsys.readouterr().out
