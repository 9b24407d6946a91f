from __future__ import annotations

import pytest

from stages.builtin import builtin_subject, builtin_subject_names, builtin_weights
from stages.errors import SubjectError
from stages.subject.library_file import read_library
from stages.subject.package import SubjectPackage
from stages.weights_header import read_header


def test_an_unknown_subject_is_refused_with_the_known_ones():
    with pytest.raises(SubjectError) as caught:
        builtin_subject("nobody")
    assert caught.value.code == "subject_unknown"
    assert all(name in caught.value.hint for name in builtin_subject_names())


@pytest.mark.parametrize("name", builtin_subject_names())
def test_a_shipped_subject_is_complete_and_its_renderer_knows_it(name: str):
    subject = SubjectPackage.load(builtin_subject(name))
    header = read_header(subject.renderer_weights)
    assert subject.name == name
    assert (header.architecture, header.fps) == ("warped", 25)
    assert header.facts[f"trained_frames:{name}"] > 0
    assert (
        read_library(subject.library, template=subject.template).frames_R.max()
        < header.facts[f"trained_frames:{name}"]
    ), "no reference is of the part that is held out"


def test_a_shipped_subject_is_small():
    # What a wheel, a checkout and a bucket carry for each of them.
    for name in builtin_subject_names():
        files = [*builtin_subject(name).iterdir(), builtin_weights("renderer")]
        assert sum(file.stat().st_size for file in files) <= 8_000_000


@pytest.mark.parametrize("stage", ["moda", "faco"])
def test_the_shared_weights_are_what_their_name_says(stage: str):
    path = builtin_weights(stage)
    assert path.name == f"{stage}.safetensors"
    if not path.is_file():
        pytest.skip(f"{path.name} is not part of this checkout")
    assert (read_header(path).architecture, read_header(path).fps) == (stage, 25)
