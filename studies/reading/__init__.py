"""Reads: dealt out, put in order, opened, answered, adjudicated."""
