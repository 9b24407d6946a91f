from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm.config import PoolSizes, share_machine


@given(
    cores=st.integers(min_value=1, max_value=256),
    gpus=st.integers(min_value=0, max_value=16),
    replicas=st.integers(min_value=1, max_value=300),
)
def test_all_replicas_always_fit_on_the_machine_at_once(cores: int, gpus: int, replicas: int) -> None:
    share = share_machine(cores=cores, gpus=gpus, replicas=replicas)
    assert 0 < share.cpus <= 1
    assert int(1 / share.cpus + 1e-9) * cores >= replicas
    assert (share.gpus > 0) == (gpus > 0)
    if gpus:
        assert share.gpus <= 1
        assert int(1 / share.gpus + 1e-9) * gpus >= replicas


def test_three_replicas_on_two_gpus_book_a_half_each() -> None:
    assert share_machine(cores=8, gpus=2, replicas=3).gpus == 0.5


@pytest.mark.parametrize("pool", ["motion", "face", "render"])
def test_a_pool_without_replicas_is_refused(pool: str) -> None:
    with pytest.raises(ValueError, match="at least one"):
        PoolSizes(**{pool: 0})
