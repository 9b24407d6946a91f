"""What the journal's events come to: where every job of the farm stands. Plain Python, no clock, no network."""

from farm.ledger.job import LedgerJob
from farm.ledger.ledger import Ledger
from farm.ledger.loading import load_ledger
from farm.ledger.segments import SegmentStates

__all__ = ["Ledger", "LedgerJob", "SegmentStates", "load_ledger"]
