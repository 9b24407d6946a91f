"""Which nodes will be taken back. The only place that asks Ray something that it does not promise to answer.

Ray Train finds preempted nodes by the same call. Where a later Ray lacks it, no node ever drains: work on a node that
is taken back is then lost with it, and done again.
"""

from __future__ import annotations

import logging

import ray

logger = logging.getLogger(__name__)


class DrainingNodes:
    """Asks the head of the cluster; says so once where it cannot be asked."""

    def __init__(self) -> None:
        self._can_ask = True

    def ids(self) -> frozenset[str]:
        """Hexadecimal ids of the nodes that drain.

        Raises:
            RayError: The head does not answer now.
        """
        if not self._can_ask:
            return frozenset()
        try:
            return frozenset(ray._private.state.state.get_draining_nodes())  # noqa: SLF001
        except AttributeError:
            self._can_ask = False
            logger.warning("ray %s does not say which nodes drain; none is emptied in time", ray.__version__)
            return frozenset()
