from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jobs.errors import SpecError, SpecMistake
from jobs.parse import LoadedTraining, load_job, load_training, parse_job, parse_training

FOLDER = Path("/jobs")
EXAMPLES = Path(__file__).parents[2] / "examples"
MINIMAL: dict[str, Any] = {
    "apiVersion": "farm/v1",
    "kind": "TrainJob",
    "metadata": {"name": "jane"},
    "spec": {"stage": "renderer", "clips": ["subjects/jane"]},
}


def parse(record: object, **options: Any) -> LoadedTraining:
    return parse_training(json.dumps(record), folder=FOLDER, **options)


def with_spec(**fields: object) -> dict[str, Any]:
    return MINIMAL | {"spec": MINIMAL["spec"] | fields}


def mistakes_of(record: object, **options: Any) -> tuple[SpecMistake, ...]:
    with pytest.raises(SpecError) as caught:
        parse(record, **options)
    assert caught.value.mistakes
    return caught.value.mistakes


def only_mistake(record: object) -> SpecMistake:
    (mistake,) = mistakes_of(record)
    return mistake


def test_everything_not_given_has_a_default() -> None:
    loaded = parse(MINIMAL)
    spec = loaded.job.spec
    assert (spec.preset, spec.seed, spec.workers) == ("cpu", 0, 1)
    assert (spec.steps, spec.batch_size, spec.learning_rate) == (None, None, None)
    assert (spec.checkpoints.every, spec.checkpoints.keep, spec.validation.every) == (200, 2, 200)
    assert (spec.network.attention, spec.network.posterior, spec.network.losses) == (None, None, "preset")
    assert spec.network.temporal_encoding
    assert spec.network.composed_face
    assert (loaded.start_from, loaded.subject, loaded.held_out_patterns) == (None, None, ())
    assert loaded.output == "/jobs/jane.safetensors"


def test_places_are_relative_to_the_folder_of_the_job() -> None:
    record = with_spec(
        clips=["../subjects/*", "/data/b", "subjects/jane"],
        subject="./subjects/jane",
        start_from="weights/a.safetensors",
        output={"uri": "../out/a.safetensors"},
    )
    loaded = parse(record)
    assert loaded.clip_patterns == ("/subjects/*", "/data/b", "/jobs/subjects/jane")
    assert loaded.subject == Path("/jobs/subjects/jane")
    assert loaded.start_from == "/jobs/weights/a.safetensors"
    assert loaded.output == "/out/a.safetensors"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("base", "base"),
        ("./base.safetensors", "/jobs/base.safetensors"),
        ("s3://bucket/base.safetensors", "s3://bucket/base.safetensors"),
    ],
)
def test_base_is_the_word_for_the_renderer_that_ships(written: str, meant: str) -> None:
    assert parse(with_spec(start_from=written)).start_from == meant


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("train-*.yaml")), ids=lambda path: path.stem)
def test_every_example_that_ships_is_read_and_its_record_is_the_same_job(path: Path) -> None:
    loaded = load_training(path)
    again = parse_training(json.dumps(loaded.job.as_record()), folder=loaded.folder)
    assert again.job.as_record() == loaded.job.as_record()
    assert (again.clip_patterns, again.output) == (loaded.clip_patterns, loaded.output)


def test_an_example_ships_for_the_renderer_of_a_subject_and_for_motion() -> None:
    assert load_training(EXAMPLES / "train-renderer.yaml").job.spec.renderer == "warped"
    assert load_training(EXAMPLES / "train-moda.yaml").job.spec.stage == "moda"


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        ("stage", "rendrer", "bad_value"),
        ("stage", None, "bad_value"),
        ("clips", "subjects/jane", "wrong_type"),
        ("clips", [], "empty"),
        ("clips", {}, "wrong_type"),
        ("preset", "gpu", "bad_value"),
        ("start_from", "base.ckpt", "bad_value"),
        ("start_from", "builtin:base.safetensors", "bad_value"),
        ("subject", "s3://bucket/jane", "bad_value"),
        ("seed", -1, "out_of_range"),
        ("seed", 2**63, "out_of_range"),
        ("steps", 0, "out_of_range"),
        ("steps", 1.5, "wrong_type"),
        ("steps", "3000", "wrong_type"),
        ("batch_size", 0, "out_of_range"),
        ("learning_rate", 0, "out_of_range"),
        ("learning_rate", -1e-4, "out_of_range"),
        ("learning_rate", 2.0, "out_of_range"),
        ("learning_rate", float("nan"), "out_of_range"),
        ("learning_rate", True, "wrong_type"),
        ("workers", 0, "out_of_range"),
        ("workers", 1025, "out_of_range"),
        ("workers", True, "wrong_type"),
        ("network", [], "wrong_type"),
        ("network.temporal_encoding", "no", "wrong_type"),
        ("network.temporal_encoding", 0, "wrong_type"),
        ("network.losses", "mine", "bad_value"),
        ("checkpoints.every", 0, "out_of_range"),
        ("checkpoints.keep", 0, "out_of_range"),
        ("validation.every", 0, "out_of_range"),
        ("output.uri", "out/jane.pt", "bad_value"),
        ("output.uri", ".safetensors", "bad_value"),
        ("output.uri", "s3://bucket", "bad_value"),
    ],
)
def test_a_wrong_value_is_named_by_its_path(path: str, value: object, code: str) -> None:
    *outer, name = path.split(".")
    record = with_spec(**({outer[0]: {name: value}} if outer else {name: value}))
    mistake = only_mistake(record)
    assert (mistake.path, mistake.code) == (f"spec.{path}", code)


@pytest.mark.parametrize("place", ["s3://bucket/a", "builtin:actor-a", "", "https://host/a", "a/**/b", "a\n"])
def test_a_clip_is_a_folder_on_this_machine(place: str) -> None:
    mistake = only_mistake(with_spec(clips=["subjects/jane", place]))
    assert (mistake.path, mistake.code) == ("spec.clips[1]", "bad_value")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("workers", 1024),
        ("learning_rate", 1),
        ("learning_rate", 1e-6),
        ("seed", 2**63 - 1),
        ("steps", None),
        ("held_out", []),
        ("network", {"attention": None, "composed_face": False}),
        ("start_from", None),
        ("output", {"uri": "s3://bucket/a/b.safetensors"}),
    ],
)
def test_values_at_the_border_are_accepted(path: str, value: object) -> None:
    parse(with_spec(**{path: value}))


@pytest.mark.parametrize(
    ("stage", "fields", "path"),
    [
        ("renderer", {"held_out": ["b"]}, "spec.held_out"),
        ("renderer", {"network": {"attention": "lstm"}}, "spec.network.attention"),
        ("renderer", {"network": {"posterior": "cvae"}}, "spec.network.posterior"),
        ("renderer", {"network": {"encoder": "compact-1"}}, "spec.network.encoder"),
        ("moda", {"subject": "subjects/jane"}, "spec.subject"),
        ("moda", {"start_from": "base"}, "spec.start_from"),
        ("moda", {"network": {"temporal_encoding": True}}, "spec.network.temporal_encoding"),
        ("moda", {"network": {"composed_face": False}}, "spec.network.composed_face"),
        ("faco", {"subject": "subjects/jane"}, "spec.subject"),
        ("faco", {"start_from": "base"}, "spec.start_from"),
        ("faco", {"network": {"attention": "dual"}}, "spec.network.attention"),
        ("faco", {"network": {"composed_face": False}}, "spec.network.composed_face"),
    ],
)
def test_a_field_of_another_stage_is_a_mistake_even_with_its_default(
    stage: str, fields: dict[str, object], path: str
) -> None:
    mistake = only_mistake(with_spec(stage=stage, **fields))
    assert (mistake.path, mistake.code) == (path, "other_stage")
    assert stage in mistake.message
    assert mistake.hint


@pytest.mark.parametrize(
    ("stage", "fields"),
    [
        ("renderer", {"subject": "subjects/jane", "start_from": "base"}),
        ("renderer", {"network": {"temporal_encoding": False, "composed_face": False, "losses": "paper"}}),
        ("moda", {"held_out": ["b*"], "network": {"attention": "lstm", "posterior": "paper"}}),
        ("moda", {"network": {"encoder": "whisper-base-layer-2", "losses": "released"}}),
        ("faco", {"held_out": ["b*"], "start_from": "f.safetensors", "network": {"losses": "paper"}}),
    ],
)
def test_each_stage_has_its_own_fields_and_its_record_is_the_same_job(
    stage: str, fields: dict[str, object]
) -> None:
    job = parse(with_spec(stage=stage, **fields)).job
    again = parse(job.as_record()).job
    assert again.as_record() == job.as_record()
    assert (again.metadata, again.spec.network, again.spec.stage) == (
        job.metadata,
        job.spec.network,
        job.spec.stage,
    )


def test_all_mistakes_are_reported_at_once_with_path_line_and_hint() -> None:
    text = """\
apiVersion: farm/v1
kind: TrainJob
metadata: {name: jane}
spec:
  stage: renderer
  clip: [a]
  subject: subjects/jane
  attention: dual
  network:
    attention: dual
    compsed_face: false
  checkpoints: {evry: 5}
"""
    with pytest.raises(SpecError) as caught:
        parse_training(text, folder=FOLDER)
    found = {mistake.path: mistake for mistake in caught.value.mistakes}
    assert {path: mistake.line for path, mistake in found.items()} == {
        "spec.clips": 4,
        "spec.clip": 6,
        "spec.attention": 8,
        "spec.network.compsed_face": 11,
        "spec.checkpoints.evry": 12,
    }
    assert found["spec.clip"].hint == "did you mean 'clips'?"
    assert found["spec.clips"].hint == "list the folders of prepared clips or subjects"
    assert found["spec.attention"].hint == "it belongs at spec.network.attention"
    assert found["spec.network.compsed_face"].hint == "did you mean 'composed_face'?"


@pytest.mark.parametrize(
    ("clips", "subject", "is_one"),
    [
        (["subjects/jane"], "subjects/jane/", True),
        (["/jobs/subjects/*"], "subjects/jane", True),
        (["subjects/ja?e"], "./subjects/jane", True),
        (["subjects/*"], "subjects/jane/clip", False),
        (["subjects/tom"], "subjects/jane", False),
        (["subjects/[a-z]*"], "subjects/jane", False),
        (["*/jane"], "other/subjects/jane", False),
    ],
)
def test_the_subject_that_gets_the_weights_is_one_of_the_clips(
    clips: list[str], subject: str, is_one: bool
) -> None:
    record = with_spec(clips=clips, subject=subject)
    if is_one:
        assert parse(record).subject is not None
    else:
        assert only_mistake(record).path == "spec.subject"


def test_a_job_of_another_kind_names_the_command_that_takes_it(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        load_job(EXAMPLES / "train-renderer.yaml")
    (mistake,) = caught.value.mistakes
    assert (mistake.path, mistake.code, mistake.line) == ("kind", "other_kind", 2)
    assert "TrainJob" in mistake.message
    assert mistake.hint == "use farm train"

    with pytest.raises(SpecError) as caught:
        load_training(EXAMPLES / "hello.yaml")
    (mistake,) = caught.value.mistakes
    assert (mistake.path, mistake.code, mistake.hint) == ("kind", "other_kind", "use farm render")


@pytest.mark.parametrize("parser", [parse_job, parse_training])
def test_a_kind_that_nobody_knows_is_a_wrong_value(parser: Any) -> None:
    with pytest.raises(SpecError) as caught:
        parser(json.dumps(MINIMAL | {"kind": "Trainjob"}), folder=FOLDER)
    found = {mistake.path: mistake for mistake in caught.value.mistakes}
    assert found["kind"].code == "bad_value"


def test_an_empty_text_points_to_an_example_that_exists() -> None:
    with pytest.raises(SpecError) as caught:
        parse_training("", folder=FOLDER)
    (mistake,) = caught.value.mistakes
    assert mistake.code == "empty"
    assert (EXAMPLES.parent / mistake.hint.removeprefix("see ")).is_file()


def test_given_fields_win_over_those_of_the_text() -> None:
    fields = {
        ("spec", "steps"): 7,
        ("spec", "output", "uri"): "/out/x.safetensors",
        ("metadata", "name"): "x",
    }
    loaded = parse(with_spec(steps=3), fields=fields)
    assert loaded.job.spec.steps == 7
    assert loaded.output == "/out/x.safetensors"
    assert loaded.job.metadata.name == "x"
    assert loaded.clip_patterns == ("/jobs/subjects/jane",)


def test_a_given_field_may_mend_a_text_and_a_mistake_in_it_has_no_line() -> None:
    text = (EXAMPLES / "train-renderer.yaml").read_text().replace("steps: 2000", "steps: many")
    assert parse_training(text, folder=FOLDER, fields={("spec", "steps"): 5}).job.spec.steps == 5
    with pytest.raises(SpecError) as caught:
        parse_training(text, folder=FOLDER, fields={("spec", "steps"): 0})
    (mistake,) = caught.value.mistakes
    assert (mistake.path, mistake.line) == ("spec.steps", 4)


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"preset": "paper"}, "spec.preset"),
        ({"network": {"losses": "released"}}, "spec.network.losses"),
        ({"network": {"temporal_encoding": False}}, "spec.network.temporal_encoding"),
        ({"network": {"composed_face": True}}, "spec.network.composed_face"),
    ],
)
def test_what_only_the_papers_renderer_has_is_refused_beside_another(
    fields: dict[str, object], path: str
) -> None:
    mistake = only_mistake(with_spec(renderer="warped", **fields))
    assert (mistake.path, mistake.code) == (path, "other_renderer")
    assert "renderer: paper" in mistake.hint
    assert parse(with_spec(renderer="paper", **fields)).job.spec.renderer == "paper"
    assert parse(with_spec(**fields)).job.spec.renderer is None


def test_other_stages_have_no_renderer() -> None:
    mistake = only_mistake(with_spec(stage="moda", renderer="warped"))
    assert (mistake.path, mistake.code) == ("spec.renderer", "other_stage")
    assert "renderer" not in parse(with_spec(stage="moda")).job.as_record()["spec"]
    assert parse(with_spec(renderer="warped")).job.as_record()["spec"]["renderer"] == "warped"
