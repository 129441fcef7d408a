"""Who gets in: local accounts and those of the hospital's directory, sessions and their end, failed attempts."""
