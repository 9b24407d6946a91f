"""What goes into a render, each by a name that changes when its bytes change: part of every plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jobs.forms import NetworkForm


@dataclass(frozen=True, slots=True, kw_only=True)
class Identities:
    """What goes into a render, each by a name that changes when its bytes change.

    Attributes:
        speech_sha256: Hash of the speech file.
        subject_sha256: Hash of the subject package.
        weights_sha256: Hash of each set of shared weights, by stage.
        encoder: Settings of the video encoder, by name.
        engine_version: Version of the code.
        device_kind: Kind of processor that renders; different kinds round differently.
        form: How exactly the renderer's network is computed there.
    """

    speech_sha256: str
    subject_sha256: str
    weights_sha256: Mapping[str, str]
    encoder: Mapping[str, str | int] = field(default_factory=dict)
    engine_version: str
    device_kind: str
    form: NetworkForm = NetworkForm.EXACT

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights_sha256", dict(self.weights_sha256))
        object.__setattr__(self, "encoder", dict(self.encoder))

    @property
    def form_record(self) -> dict[str, str]:
        """The form as plain data; nothing for the one that all renders had before there were several."""
        return {} if self.form is NetworkForm.EXACT else {"form": self.form.value}

    def as_record(self) -> dict[str, Any]:
        """The identities as plain data."""
        return {
            "speech_sha256": self.speech_sha256,
            "subject_sha256": self.subject_sha256,
            "weights_sha256": dict(self.weights_sha256),
            "encoder": dict(self.encoder),
            "engine_version": self.engine_version,
            "device_kind": self.device_kind,
            **self.form_record,
        }
