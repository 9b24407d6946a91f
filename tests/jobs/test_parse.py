from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jobs.errors import SpecError, SpecMistake
from jobs.parse import LoadedJob, load_job, parse_job

FOLDER = Path("/jobs")
MINIMAL: dict[str, Any] = {
    "apiVersion": "farm/v1",
    "kind": "RenderJob",
    "metadata": {"name": "hello"},
    "spec": {"speech": "hello.wav", "subject": "builtin:actor-a"},
}
EXAMPLE = Path(__file__).parents[2] / "examples" / "hello.yaml"


def parse(record: object) -> LoadedJob:
    return parse_job(json.dumps(record), folder=FOLDER)


def with_field(path: str, value: object) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(json.dumps(MINIMAL))
    parts = path.split(".")
    inner = record
    for part in parts[:-1]:
        inner = inner.setdefault(part, {})
    inner[parts[-1]] = value
    return record


def mistakes_of(text: str, *, json_only: bool = False) -> tuple[SpecMistake, ...]:
    with pytest.raises(SpecError) as caught:
        parse_job(text, folder=FOLDER, where="job.yaml", json_only=json_only)
    assert caught.value.mistakes
    return caught.value.mistakes


def only_mistake(record: object) -> SpecMistake:
    (mistake,) = mistakes_of(json.dumps(record))
    return mistake


def test_the_example_that_ships_is_read() -> None:
    loaded = load_job(EXAMPLE)
    assert loaded.job.metadata.project == "demo"
    assert loaded.job.spec.seed == 7
    assert loaded.speech == str(EXAMPLE.parent.resolve() / "hello.wav")
    assert Path(loaded.speech).is_file()
    assert loaded.subject == "builtin:actor-a"
    assert loaded.master(take=1) == str(EXAMPLE.parents[1].resolve() / "out" / "hello.mp4")


def test_everything_not_given_has_a_default() -> None:
    loaded = parse(MINIMAL)
    spec = loaded.job.spec
    assert (spec.seed, spec.takes, spec.output.profile) == (0, 1, None)
    assert (spec.motion.head, spec.motion.blink, spec.motion.torso) == (1.0, 1.0, 1.0)
    assert loaded.job.metadata.project == "default"
    assert loaded.master(take=1) == "/jobs/hello.mp4"
    assert loaded.master(take=2) == "/jobs/hello.take2.mp4"


def test_yaml_and_json_give_the_same_job(tmp_path: Path) -> None:
    written = load_job(EXAMPLE).job
    path = tmp_path / "job.json"
    path.write_text(json.dumps(written.as_record()))
    assert load_job(path).job == written


def test_the_record_of_a_job_is_a_job_again() -> None:
    record = parse(MINIMAL).job.as_record()
    assert record["spec"]["output"] == {
        "profile": None,
        "form": "exact",
        "uri": "hello.mp4",
        "captions": None,
        "draft": False,
        "background": None,
    }
    assert parse(record).job.as_record() == record


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = tmp_path / "job.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(MINIMAL).encode())
    assert load_job(path).job == parse(MINIMAL).job


def test_all_mistakes_are_reported_at_once_with_path_line_and_hint() -> None:
    text = """\
apiVersion: farm/v1
kind: RenderJob
metadata: {name: ../evil}
spec:
  speech: hello.wav
  subject: builtin:actor-a
  seed: "7"
  motion:
    haed: 1.0
    blink: 2.5
  output: {profile: previw}
"""
    found = {mistake.path: mistake for mistake in mistakes_of(text)}
    assert {path: mistake.line for path, mistake in found.items()} == {
        "metadata.name": 3,
        "spec.seed": 7,
        "spec.motion.haed": 9,
        "spec.motion.blink": 10,
        "spec.output.profile": 11,
    }
    assert found["spec.motion.haed"].hint == "did you mean 'head'?"
    assert found["spec.seed"].message == "must be a whole number, not the text '7'"
    assert found["spec.seed"].hint == "write the number without quotes"
    assert found["spec.motion.blink"].message == "must be at most 2, not the number 2.5"
    assert found["spec.output.profile"].hint == "did you mean 'preview'?"


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("spec.speach", "did you mean 'speech'?"),
        ("spec.motion.Blink", "did you mean 'blink'?"),
        ("apiversion", "did you mean 'apiVersion'?"),
        ("metadata.seed", "it belongs at spec.seed"),
        ("spec.head", "it belongs at spec.motion.head"),
        ("uri", "it belongs at spec.output.uri"),
        ("spec.output.codec", "known fields: profile, form, uri, captions, draft, background"),
    ],
)
def test_an_unknown_field_names_the_one_that_was_meant(path: str, hint: str) -> None:
    mistake = only_mistake(with_field(path, "x"))
    assert (mistake.path, mistake.code, mistake.hint) == (path, "unknown_field", hint)


@pytest.mark.parametrize("field", ["apiVersion", "kind", "metadata", "spec"])
def test_a_missing_field_is_named_with_how_to_write_it(field: str) -> None:
    record = {name: value for name, value in MINIMAL.items() if name != field}
    mistake = only_mistake(record)
    assert (mistake.path, mistake.code) == (field, "missing_field")
    assert mistake.hint.startswith(f"write {field}:")


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        ("apiVersion", "farm/v2", "bad_value"),
        ("kind", "TrainingJob", "bad_value"),
        ("metadata", "hello", "wrong_type"),
        ("metadata.name", 7, "wrong_type"),
        ("metadata.name", True, "wrong_type"),
        ("metadata.name", "../x", "bad_value"),
        ("metadata.project", "a/b", "bad_value"),
        ("spec", [], "wrong_type"),
        ("spec.speech", None, "wrong_type"),
        ("spec.speech", "", "bad_value"),
        ("spec.speech", "https://host/a.wav", "bad_value"),
        ("spec.subject", "builtin:../x", "bad_value"),
        ("spec.subject", "builtin:", "bad_value"),
        ("spec.subject", {"name": "x"}, "wrong_type"),
        ("spec.seed", "7", "wrong_type"),
        ("spec.seed", 7.0, "wrong_type"),
        ("spec.seed", True, "wrong_type"),
        ("spec.seed", -1, "out_of_range"),
        ("spec.seed", 2**63, "out_of_range"),
        ("spec.takes", 0, "out_of_range"),
        ("spec.takes", 100, "out_of_range"),
        ("spec.motion.head", "1.0", "wrong_type"),
        ("spec.motion.head", True, "wrong_type"),
        ("spec.motion.head", -0.1, "out_of_range"),
        ("spec.motion.head", 2.1, "out_of_range"),
        ("spec.motion.head", float("nan"), "out_of_range"),
        ("spec.motion.head", float("inf"), "out_of_range"),
        ("spec.output.profile", "cinema", "bad_value"),
        ("spec.output.profile", 256, "bad_value"),
        ("spec.output.uri", "hello.mov", "bad_value"),
        ("spec.output.uri", "out/", "bad_value"),
        ("spec.output.uri", ".mp4", "bad_value"),
        ("spec.output.uri", "s3://bucket", "bad_value"),
    ],
)
def test_a_wrong_value_is_named_by_its_path(path: str, value: object, code: str) -> None:
    mistake = only_mistake(with_field(path, value))
    assert (mistake.path, mistake.code) == (path, code)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("spec.motion.head", 0),
        ("spec.motion.head", 2),
        ("spec.seed", 2**63 - 1),
        ("spec.takes", 99),
        ("spec.output.profile", "full"),
        ("spec.output.uri", "s3://bucket/a/b.MP4"),
        ("spec.output.uri", None),
        ("spec.subject", "s3://bucket/subjects/a"),
    ],
)
def test_values_at_the_border_are_accepted(path: str, value: object) -> None:
    parse(with_field(path, value))


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("", "empty", None),
        ("# nothing\n", "empty", None),
        ("- a\n- b\n", "wrong_type", 1),
        ("hello", "wrong_type", 1),
        ("a: [1, 2\nb: 3\n", "syntax", 2),
        ("a: 1\n b: 2\n", "syntax", 2),
        ("a: 1\n---\nb: 2\n", "syntax", 2),
        ("a: &x 1\n", "alias", 1),
        ("a: 1\nb: *x\n", "alias", 2),
        ("a: !!python/object/apply:os.system ['true']\n", "tag", 1),
        ("a: !!set {b}\n", "tag", 1),
        ("? [a]\n: b\n", "syntax", 1),
        ('a: "\\U00110000"\n', "syntax", None),
        ('a: "\\ud800"\n', "not_text", None),
        ("a: \x07\n", "not_text", 1),
        ("[" * 3000, "too_deep", 1),
        ("x" * 1_000_001, "too_large", None),
        ("\ud800", "not_text", None),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_text_that_is_no_job_is_refused_with_its_line(text: str, code: str, line: int | None) -> None:
    mistake = mistakes_of(text)[0]
    assert (mistake.code, mistake.line) == (code, line)


def test_a_bomb_of_aliases_is_refused_at_once() -> None:
    text = "a: &a [x]\n" + "".join(f"b{n}: &b{n} [*a, *a, *a, *a, *a, *a]\n" for n in range(30))
    assert mistakes_of(text)[0].code == "alias"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "syntax"),
        ('{"a": 1,}', "syntax"),
        ("[" * 200_000, "too_deep"),
        ('{"a":' * 20 + "1" + "}" * 20, "too_deep"),
        ('{"a": ' + "9" * 5000 + "}", "syntax"),
        ('{"a": "\\ud800"}', "not_text"),
        ("apiVersion: farm/v1", "syntax"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_a_json_file_is_refused_in_the_words_of_json(text: str, code: str) -> None:
    mistake = mistakes_of(text, json_only=True)[0]
    assert mistake.code == code
    assert "YAML" not in mistake.message


@pytest.mark.parametrize("json_only", [True, False])
def test_a_field_given_twice_is_a_mistake_even_with_equal_values(json_only: bool) -> None:
    text = json.dumps(MINIMAL)[:-1] + ', "kind": "RenderJob"}'
    (mistake,) = mistakes_of(text, json_only=json_only)
    assert (mistake.path, mistake.code) == ("kind", "duplicate_key")


def test_a_field_given_twice_in_yaml_has_the_line_of_the_second() -> None:
    text = EXAMPLE.read_text() + "kind: RenderJob\n"
    (mistake,) = mistakes_of(text)
    assert (mistake.path, mistake.code, mistake.line) == ("kind", "duplicate_key", text.count("\n"))


@pytest.mark.parametrize(
    ("written", "value"),
    [("on", "on"), ("no", "no"), ("2024-01-01", "2024-01-01"), ("1_000", "1_000"), ("0x1F", "0x1F")],
)
def test_text_that_older_yaml_would_convert_stays_text(written: str, value: str) -> None:
    text = json.dumps(MINIMAL).replace('"hello"', written)
    assert parse_job(text, folder=FOLDER).job.metadata.name == value


@pytest.mark.parametrize(("written", "value"), [("010", 10), ("+7", 7), ("!!int 7", 7), ('!!int "7"', 7)])
def test_whole_numbers_in_yaml_are_decimal(written: str, value: int) -> None:
    text = EXAMPLE.read_text().replace("seed: 7", f"seed: {written}")
    assert parse_job(text, folder=FOLDER).job.spec.seed == value


@pytest.mark.parametrize(("written", "value"), [("1e-1", 0.1), (".5", 0.5), ("1.", 1.0), ("2E0", 2.0)])
def test_numbers_in_yaml_may_have_exponents(written: str, value: float) -> None:
    text = EXAMPLE.read_text().replace("head: 1.0", f"head: {written}")
    assert parse_job(text, folder=FOLDER).job.spec.motion.head == value


@pytest.mark.parametrize("written", [".inf", "-.Inf", ".nan", "1e999"])
def test_numbers_without_end_are_out_of_range(written: str) -> None:
    text = EXAMPLE.read_text().replace("head: 1.0", f"head: {written}")
    assert [mistake.path for mistake in mistakes_of(text)] == ["spec.motion.head"]


def test_a_file_that_cannot_be_read_is_a_mistake_in_the_command(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.yaml", tmp_path):
        with pytest.raises(SpecError) as caught:
            load_job(path)
        assert caught.value.where == str(path)
        assert caught.value.mistakes[0].code == "unreadable"


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_bytes(b"\xff\xfe\x00k")
    with pytest.raises(SpecError) as caught:
        load_job(path)
    assert caught.value.mistakes[0].code == "not_text"


def test_the_profile_that_was_called_studio_says_how_it_is_called_now() -> None:
    mistake = only_mistake(with_field("spec.output.profile", "studio"))
    assert (mistake.path, mistake.code, mistake.hint) == (
        "spec.output.profile",
        "renamed",
        "write profile: full",
    )


@pytest.mark.parametrize(
    "speech",
    [
        {"uri": "film.mkv", "track": 2},
        {"uri": "film.mkv", "track": "deu", "gain_db": -3},
        {"uri": "s3://bucket/film.mkv", "gain_db": 0},
    ],
)
def test_a_job_may_name_the_track_and_the_gain_of_its_speech(speech: dict[str, Any]) -> None:
    loaded = parse(with_field("spec.speech", speech))
    record = loaded.job.as_record()
    assert record["spec"]["speech"] == speech
    assert parse(record).job.spec.speech == loaded.job.spec.speech


def test_speech_that_names_nothing_else_is_written_as_its_place_alone() -> None:
    loaded = parse(with_field("spec.speech", {"uri": "hello.wav"}))
    assert loaded.job == parse(MINIMAL).job
    assert loaded.job.as_record()["spec"]["speech"] == "hello.wav"


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("uri", "https://host/a.wav", "bad_value"),
        ("track", 0, "bad_value"),
        ("track", True, "bad_value"),
        ("track", 1.0, "bad_value"),
        ("track", "../x", "bad_value"),
        ("track", "", "bad_value"),
        ("gain_db", 61, "out_of_range"),
        ("gain_db", 1.5, "wrong_type"),
        ("gain_db", "3", "wrong_type"),
        ("channel", 1, "unknown_field"),
    ],
)
def test_what_cannot_be_of_a_speech_is_named_by_its_path(field: str, value: object, code: str) -> None:
    mistake = only_mistake(with_field("spec.speech", {"uri": "hello.wav", field: value}))
    assert (mistake.path, mistake.code) == (f"spec.speech.{field}", code)


def test_speech_without_a_place_is_a_mistake() -> None:
    mistake = only_mistake(with_field("spec.speech", {"track": 2}))
    assert (mistake.path, mistake.code) == ("spec.speech.uri", "missing_field")
    assert mistake.hint


def test_a_take_may_be_chosen_or_asked_for() -> None:
    record = with_field("spec.takes", 4)
    assert parse(record).job.spec.choose is None
    for choice in ("ask", 3):
        record["spec"]["choose"] = choice
        assert parse(record).job.spec.choose == choice


@pytest.mark.parametrize(
    ("takes", "choice", "code"),
    [
        (4, "mine", "bad_value"),
        (4, 0, "bad_value"),
        (4, True, "bad_value"),
        (4, 1.0, "bad_value"),
        (4, 5, "no_such_take"),
        (1, "ask", "nothing_to_choose"),
        (1, 1, "nothing_to_choose"),
    ],
)
def test_a_choice_that_cannot_be_made_is_a_mistake(takes: int, choice: object, code: str) -> None:
    record = with_field("spec.takes", takes)
    record["spec"]["choose"] = choice
    mistake = only_mistake(record)
    assert (mistake.path, mistake.code) == ("spec.choose", code)


def test_where_the_takes_are_wrong_nothing_is_said_of_the_choice() -> None:
    record = with_field("spec.takes", 0)
    record["spec"]["choose"] = 3
    assert only_mistake(record).path == "spec.takes"
