"""What pixels that cannot be read look like from here."""

UNDECODABLE = (AttributeError, EOFError, KeyError, NotImplementedError, OSError, RuntimeError, TypeError, ValueError)
"""What pydicom, highdicom and the decoders behind them raise for pixels that are truncated, contradictory, or in a
codec that is not here: they have no class of their own for it. Catch it around the decoding alone."""
