from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.locations import S3Address, check_location, is_slug, resolve_location, s3_address, take_location


@pytest.mark.parametrize("name", ["a", "hello", "Ep_01-v2.3", "7", "x" * 63])
def test_plain_names_are_slugs(name: str) -> None:
    assert is_slug(name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".x", "-x", "a/b", "a\\b", "a b", "a.", "ä", "a\n", "x" * 64, "a\0"], ids=repr
)
def test_names_that_could_climb_hide_or_confuse_are_not_slugs(name: str) -> None:
    assert not is_slug(name)


@given(name=st.text(max_size=70))
def test_a_slug_is_always_one_safe_part_of_a_path(name: str) -> None:
    if is_slug(name):
        assert Path("/root", name).resolve().parent == Path("/root")


@pytest.mark.parametrize(
    "location", ["hello.wav", "/abs/x.wav", "../out/a b.mp4", "s3://bucket/key", "C:odd", "ö.wav"]
)
def test_paths_and_objects_are_locations(location: str) -> None:
    check_location(location)


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ("a\0b", "control"),
        ("a\nb", "control"),
        ("http://host/x.wav", "http:// is not supported"),
        ("file:///x.wav", "file:// is not supported"),
        ("s3://bucket", "nothing in it"),
        ("s3://bucket/", "nothing in it"),
        ("s3://", "name of a bucket"),
        ("s3://UPPER/key", "name of a bucket"),
    ],
)
def test_what_can_be_neither_path_nor_object_is_refused_with_the_reason(location: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        check_location(location)


def test_an_s3_uri_has_a_bucket_and_a_key() -> None:
    assert s3_address("s3://my-bucket/a/b.wav") == S3Address(bucket="my-bucket", key="a/b.wav")
    assert s3_address("s3://my-bucket/a/b.wav").uri == "s3://my-bucket/a/b.wav"
    with pytest.raises(ValueError, match="does not start"):
        s3_address("/a/b.wav")


def test_only_relative_paths_depend_on_the_folder() -> None:
    folder = Path("/jobs/demo")
    assert resolve_location("hello.wav", folder=folder) == "/jobs/demo/hello.wav"
    assert resolve_location("../out/hello.mp4", folder=folder) == "/jobs/out/hello.mp4"
    assert resolve_location("/abs/hello.wav", folder=folder) == "/abs/hello.wav"
    assert resolve_location("s3://bucket/a/../b", folder=folder) == "s3://bucket/a/../b"
    assert resolve_location("builtin:actor-a", folder=folder) == "builtin:actor-a"


def test_the_first_take_keeps_the_name_and_others_are_numbered() -> None:
    assert take_location("/out/hello.mp4", take=1) == "/out/hello.mp4"
    assert take_location("/out.d/hello.final.mp4", take=2) == "/out.d/hello.final.take2.mp4"
    assert take_location("s3://bucket/hello.mp4", take=12) == "s3://bucket/hello.take12.mp4"
