"""The line between the workers and the driver: a small actor that keeps what was told until the driver takes it.

Ray Train's own way, `ray.train.report`, is a barrier for all workers that its controller clears every two seconds, and
ends in the controller's process rather than the driver's. This one costs the first worker a millisecond.
"""

from __future__ import annotations

from farm.training.progress import Restarted, TrainingAdvanced, TrainingEvent


class Mailbox:
    """Lives in an actor of its own, which the driver starts and kills."""

    def __init__(self) -> None:
        self._events: list[TrainingEvent] = []
        self._furthest_step = 0
        self._losses_in_a_row = 0
        self._is_stopping = False

    def tell(self, event: TrainingEvent) -> bool:
        """Keep an event of the first worker; whether the run should stop."""
        if isinstance(event, TrainingAdvanced) and event.step > self._furthest_step:
            self._furthest_step = event.step
            self._losses_in_a_row = 0
        self._events.append(event)
        return self._is_stopping

    def lost(self, reason: str) -> int:
        """Note that workers were lost; how often, since the run last got further than before."""
        self._losses_in_a_row += 1
        self._events.append(Restarted(reason=reason, attempt=self._losses_in_a_row))
        return self._losses_in_a_row

    def take(self) -> list[TrainingEvent]:
        """What was told since the last call."""
        taken, self._events = self._events, []
        return taken

    def stop(self) -> None:
        """Ask the run to stop; the first worker hears it with its next event."""
        self._is_stopping = True
