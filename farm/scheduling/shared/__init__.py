"""The brain of a farm that many jobs of many studios share: events in, actions out; no Ray, no clock of its own."""
