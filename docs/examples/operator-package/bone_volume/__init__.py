"""Bone volume: a pipeline for Overread."""
