"""In which form a renderer's network is computed, and what a processor needs for it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from jobs.errors import FormUnavailable
from jobs.farm_error import Retry


class NetworkForm(StrEnum):
    """How exactly the renderer's network is computed; each form has bytes of its own."""

    EXACT = "exact"  # in single precision, as it was trained
    BF16 = "bf16"  # multiplied in 16 bits
    INT8 = "int8"  # multiplied in 8 bits, by OpenVINO


_UNITS: Final[Mapping[NetworkForm, str]] = {NetworkForm.BF16: "bf16", NetworkForm.INT8: "vnni"}
"""The word of a kind of processor that says that it multiplies so, see `infra.hardware.cpu_kind`."""


def missing_unit(form: NetworkForm, *, device_kind: str) -> str:
    """What a kind of processor lacks for a form; empty where it lacks nothing."""
    unit = _UNITS.get(form, "")
    return "" if not unit or unit in device_kind.split() else unit


def check_form(form: NetworkForm, *, device_kind: str) -> None:
    """See that a kind of processor can compute a form, before anything runs.

    Raises:
        FormUnavailable: It cannot.
    """
    unit = missing_unit(form, device_kind=device_kind)
    if unit:
        raise FormUnavailable(
            f"{device_kind} lacks {unit}, without which {form} is no faster",
            where="spec.output.form",
            hint="leave the form out, or render on machines of which farm doctor says that they can do it",
            # Said of the kind that the plan is for, which all its replicas have.
            retry=Retry.NEVER,
        )
