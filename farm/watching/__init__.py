"""Takes watched while they are rendered, and afterwards: HLS over committed segments."""
