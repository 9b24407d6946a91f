"""Workers always fit the cluster together, and never share a GPU."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm.training.worker import share_for_training
from jobs.errors import ClusterUnavailable


@given(workers=st.integers(1, 40), cpus=st.integers(1, 40), machine=st.integers(1, 40))
def test_all_workers_fit_at_the_same_time(workers: int, cpus: int, machine: int) -> None:
    share = share_for_training(workers=workers, cpus=cpus, gpus=0, largest_machine=machine)
    assert share.cpus * workers <= cpus + 1e-9
    assert 1 <= share.threads <= max(1, machine)
    assert share.threads <= max(1, cpus // workers)
    assert share.backend == "gloo"


def test_one_worker_uses_all_cores_and_two_share_them() -> None:
    one, two = (share_for_training(workers=count, cpus=8, gpus=0, largest_machine=8) for count in (1, 2))
    assert (one.threads, two.threads) == (8, 4)


def test_every_worker_has_a_gpu_of_its_own() -> None:
    share = share_for_training(workers=2, cpus=16, gpus=2, largest_machine=16)
    assert (share.gpus, share.backend) == (1, "nccl")
    with pytest.raises(ClusterUnavailable) as caught:
        share_for_training(workers=3, cpus=16, gpus=2, largest_machine=16)
    assert "2 workers" in caught.value.hint
