"""Work that could start and does not: told loudly, because a farm that silently waits looks like one that works."""

from __future__ import annotations

from farm.coordination.standing import standing
from farm.coordination.state import CoordinatorState

# Replicas that start or are replaced take less; a cluster that scales up takes longer, and is told of.
_PATIENCE_S = 60.0


class StandstillAlarm:
    """Looks at every tick whether anything moves."""

    def __init__(self) -> None:
        self._quiet_since: float | None = None

    def look(self, farm: CoordinatorState, *, now: float) -> None:
        """Tell, once a minute, that jobs wait and no replica works."""
        waiting = sorted(
            entry.name
            for entry in farm.scheduler.jobs.values()
            if entry.is_dispatching and entry.unsettled > entry.given_up
        )
        if farm.tasks or farm.opening or not waiting:
            self._quiet_since = None
        elif self._quiet_since is None:
            self._quiet_since = now
        elif now - self._quiet_since >= _PATIENCE_S:
            self._quiet_since = now
            farm.watcher.note("", self._sentence(farm, waiting))

    @staticmethod
    def _sentence(farm: CoordinatorState, waiting: list[str]) -> str:
        pools = {stage.value: len(replicas) for stage, replicas in farm.helpers.items()}
        pools["render"] = farm.scheduler.replica_count
        counts = ", ".join(f"{count} {name}" for name, count in pools.items())
        return (
            f"nothing has run for a minute although {len(waiting)} jobs wait; replicas: {counts}."
            f" {waiting[0]}: {standing(farm, waiting[0]).sentence}"
        )
