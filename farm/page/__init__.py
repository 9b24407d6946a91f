"""The farm's page: what `farm serve` shows in a browser, made from what its API answers."""
