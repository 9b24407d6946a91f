from __future__ import annotations

import os
from pathlib import Path

import pytest

from infra.hardware import (
    Gpu,
    Hardware,
    cpu_kind,
    probe_hardware,
    usable_cores,
    usable_memory_bytes,
    visible_gpus,
)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_this_machine_has_something_to_work_with() -> None:
    hardware = probe_hardware()
    assert hardware.cores >= 1
    assert hardware.memory_bytes > 100_000_000
    assert hardware.device_kind


def test_without_a_quota_the_affinity_counts(tmp_path: Path) -> None:
    write(tmp_path / "cpu.max", "max 100000\n")
    assert usable_cores(cgroup=tmp_path) == len(os.sched_getaffinity(0))
    assert usable_cores(cgroup=tmp_path / "missing") == len(os.sched_getaffinity(0))


@pytest.mark.parametrize("quota_us", [100_000, 150_000, 50_000], ids=["one", "one and a half", "half"])
def test_a_quota_of_either_kind_limits_the_cores_to_whole_ones(tmp_path: Path, quota_us: int) -> None:
    write(tmp_path / "two" / "cpu.max", f"{quota_us} 100000\n")
    write(tmp_path / "one" / "cpu/cpu.cfs_quota_us", f"{quota_us}\n")
    write(tmp_path / "one" / "cpu/cpu.cfs_period_us", "100000\n")
    assert usable_cores(cgroup=tmp_path / "two") == usable_cores(cgroup=tmp_path / "one") == 1


def test_a_limit_of_either_kind_limits_the_memory(tmp_path: Path) -> None:
    write(tmp_path / "two" / "memory.max", "123456789\n")
    write(tmp_path / "one" / "memory/memory.limit_in_bytes", "123456789\n")
    write(tmp_path / "none" / "memory.max", "max\n")
    assert (
        usable_memory_bytes(cgroup=tmp_path / "two")
        == usable_memory_bytes(cgroup=tmp_path / "one")
        == 123456789
    )
    assert usable_memory_bytes(cgroup=tmp_path / "none") > 123456789


@pytest.mark.parametrize(
    ("cpuinfo", "unit"),
    [
        ("processor : 0\nflags : fpu sse2 avx2 avx512f\n", " avx512"),
        ("flags : fpu sse2 avx2\n", " avx2"),
        ("flags : fpu avx2 avx512f avx512_bf16 avx512_vnni avx_vnni\n", " avx512 bf16 vnni"),
        ("flags : fpu avx2 avx512f avx512_vnni amx_bf16 avx512_bf16\n", " amx bf16 vnni"),
        ("flags : fpu avx2 avx_vnni\n", " avx2 vnni"),
        ("flags : fpu sse2\n", ""),
        ("Features : fp asimd\n", " neon"),
        ("", ""),
    ],
)
def test_the_kind_of_a_processor_tells_what_decides_its_rounding(
    tmp_path: Path, cpuinfo: str, unit: str
) -> None:
    write(tmp_path / "cpuinfo", cpuinfo)
    assert cpu_kind(proc=tmp_path) == f"cpu {os.uname().machine}{unit}"


def a_tool(folder: Path, script: str) -> str:
    path = folder / "driver-tool"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_gpus_are_read_from_the_tool_of_the_driver(tmp_path: Path) -> None:
    tool = a_tool(
        tmp_path, 'echo "0, NVIDIA H100 80GB HBM3, 81559"; echo "1, NVIDIA T4, [N/A]"; echo nonsense'
    )
    gpus = visible_gpus(command=tool)
    assert gpus == (Gpu(index=0, name="NVIDIA H100 80GB HBM3", memory_bytes=81559 * 1024 * 1024),)
    hardware = Hardware(cores=1, memory_bytes=1, cpu_kind="cpu x86_64", gpus=gpus)
    assert hardware.device_kind == "cuda NVIDIA H100 80GB HBM3"


def test_a_driver_that_is_missing_or_fails_means_no_gpu(tmp_path: Path) -> None:
    assert visible_gpus(command="no-such-tool-anywhere") == ()
    assert visible_gpus(command=a_tool(tmp_path, "exit 9")) == ()
