"""Masks that people give an arm: drawn in the viewer, uploaded, or said to be of nothing."""
