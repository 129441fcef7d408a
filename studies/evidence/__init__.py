"""From what stands in a study's rows to what a board reads."""
