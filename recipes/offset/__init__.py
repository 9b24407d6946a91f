"""How the judge of the sound's offset was made."""
