"""What a replica of faces does for a take that nobody has chosen yet: it draws the motion, and renders nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from farm.execution.calls import ReplicaSetup, SketchCall, SketchRecord
from farm.execution.stages import Sketcher
from infra.storage import ObjectStore, open_store
from stages.encode.profile import FRAMES_PER_SKETCH, SKETCH
from stages.encode.segment import encode_segment
from stages.payloads import PosedFace
from stages.render.contact_sheet import still_as_jpeg


@dataclass(slots=True)
class SketchTable:
    """Draws pieces of takes of one subject, and commits them.

    Attributes:
        load: Loads what draws; not before something is drawn, since most jobs want none of it.
    """

    load: Callable[[], Sketcher]
    _sketcher: Sketcher | None = None
    _stores: dict[str, ObjectStore] = field(default_factory=dict)

    def draw(self, call: SketchCall, face: PosedFace, *, setup: ReplicaSetup) -> SketchRecord:
        """Draw one segment of a take; only its record leaves this process.

        Args:
            call: What is wanted.
            face: The posed faces of the segment and of its context.
            setup: Names the store.

        Raises:
            StoreError: The store failed.
        """
        sketcher, store = self._loaded(), self._store(setup.store)
        frames = range(call.lead, call.lead + call.frame_count, FRAMES_PER_SKETCH)
        pictures = (sketcher.picture(face, frame=frame) for frame in frames)
        piece = encode_segment(pictures, fps=setup.fps / FRAMES_PER_SKETCH, profile=SKETCH)
        for frame, key in call.stills:
            store.put_if_absent(key, still_as_jpeg(sketcher.still(face, frame=call.lead + frame)))
        store.put_if_absent(call.key, piece)
        return SketchRecord(faces_sha256=face.sha256)

    def _loaded(self) -> Sketcher:
        if self._sketcher is None:
            self._sketcher = self.load()
        return self._sketcher

    def _store(self, address: str) -> ObjectStore:
        if address not in self._stores:
            self._stores[address] = open_store(address)
        return self._stores[address]
