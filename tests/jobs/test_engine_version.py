from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

import pytest

from jobs.version import engine_version


def test_the_engine_has_the_version_of_the_installed_project() -> None:
    try:
        installed = version("moda-farm")
    except PackageNotFoundError:
        pytest.skip("the project is not installed in this environment; pip install -e . installs it")
    assert engine_version() == installed
