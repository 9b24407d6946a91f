"""What this machine has to work with, found without loading a tensor library.

Containers lie: the kernel still shows every core and all memory of the host. What counts is what this process
may use, so affinity and control groups are asked before the totals.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")
_PROC = Path("/proc")

# The widest vector unit decides which kernels a numeric library picks, and with it the last bits of a result.
_VECTOR_UNITS = (("amx_bf16", "amx"), ("avx512f", "avx512"), ("avx2", "avx2"), ("asimd", "neon"))

# What multiplies in 16 and in 8 bits, by the names that `jobs.forms` asks for. Other processors can do it too, but no
# faster, and some of those round sums of 8 bits off.
_NARROW_UNITS = (("bf16", {"avx512_bf16", "amx_bf16"}), ("vnni", {"avx512_vnni", "avx_vnni"}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One GPU as its driver describes it.

    Attributes:
        index: Number of the driver.
        name: Model, such as ``NVIDIA H100 80GB HBM3``.
        memory_bytes: All of its memory.
    """

    index: int
    name: str
    memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """What this process may use.

    Attributes:
        cores: Whole cores' worth of time, at least 1.
        memory_bytes: Memory before the process is stopped for taking too much.
        cpu_kind: Architecture, widest vector unit, and what multiplies in few bits; processors of one kind round alike.
        gpus: GPUs whose driver answers; empty without a driver.
    """

    cores: int
    memory_bytes: int
    cpu_kind: str
    gpus: tuple[Gpu, ...]

    @property
    def device_kind(self) -> str:
        """Kind of processor that renders here, for the identity of a plan."""
        return device_kind_of(self.cpu_kind, self.gpus)


def kind_computing(device: str) -> str:
    """Kind of processor that computes on this machine: the first GPU for ``cuda``, or the processor."""
    gpus = visible_gpus() if device == "cuda" else ()
    return device_kind_of(cpu_kind(), gpus)


def device_kind_of(cpu: str, gpus: tuple[Gpu, ...]) -> str:
    """The first GPU, or where there is none the processor."""
    return f"cuda {gpus[0].name}" if gpus else cpu


def probe_hardware() -> Hardware:
    """Look at this machine; parts that cannot be seen are left out."""
    return Hardware(
        cores=usable_cores(), memory_bytes=usable_memory_bytes(), cpu_kind=cpu_kind(), gpus=visible_gpus()
    )


def usable_cores(*, cgroup: Path = _CGROUP) -> int:
    """Cores this process may use: its affinity, cut to the quota of its control group."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota(cgroup)
    if quota is not None:
        cores = min(cores, max(1, int(quota)))
    return cores


def usable_memory_bytes(*, cgroup: Path = _CGROUP) -> int:
    """Memory this process may use: the machine's, cut to the limit of its control group."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [
        int(text)
        for name in ("memory.max", "memory/memory.limit_in_bytes")
        if (text := _text(cgroup / name)).isdigit()
    ]
    return min([total, *limits])


def cpu_kind(*, proc: Path = _PROC) -> str:
    """Architecture, widest vector unit, and what multiplies in few bits, such as ``cpu x86_64 avx512 bf16 vnni``."""
    words: set[str] = set()
    for line in _text(proc / "cpuinfo").splitlines():
        if line.lower().startswith(("flags", "features")):
            words = set(line.partition(":")[2].split())
            break
    unit = next((name for flag, name in _VECTOR_UNITS if flag in words), "")
    narrow = [name for name, flags in _NARROW_UNITS if flags & words]
    return " ".join(filter(None, ["cpu", platform.machine(), unit, *narrow]))


def visible_gpus(*, command: str = "nvidia-smi") -> tuple[Gpu, ...]:
    """GPUs as the driver's own tool lists them; empty where the tool is missing, fails or hangs."""
    path = shutil.which(command)
    if path is None:
        return ()
    query = [path, "--query-gpu=index,name,memory.total", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    gpus: list[Gpu] = []
    for line in answer.splitlines():
        parts = [part.strip() for part in line.split(",")]
        if len(parts) == 3 and parts[0].isdigit() and parts[2].isdigit():
            gpus.append(Gpu(index=int(parts[0]), name=parts[1], memory_bytes=int(parts[2]) * 1024 * 1024))
    return tuple(gpus)


def _quota(cgroup: Path) -> Fraction | None:
    """Cores' worth of time that a control group grants, in its second form or its first."""
    quota, _, period = _text(cgroup / "cpu.max").partition(" ")
    if not quota:
        quota = _text(cgroup / "cpu/cpu.cfs_quota_us")
        period = _text(cgroup / "cpu/cpu.cfs_period_us")
    if quota.isdigit() and period.isdigit() and int(period) > 0:
        return Fraction(int(quota), int(period))
    return None  # "max" and -1 both say that there is no quota


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", errors="replace").strip()
    except OSError:
        return ""
