"""The farm over HTTP: requests go into the journal, answers and events come out of it; it needs no coordinator."""
