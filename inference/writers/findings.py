"""What a pipeline's definition says of the boxes and classes that a run found."""

from __future__ import annotations

from collections.abc import Mapping

from inference.operators.values import Box
from inference.outputs import ClassifiedValue
from inference.schema import Code, Pipeline, Region


def box_codes(pipeline: Pipeline, box: Box) -> tuple[Region, Mapping[str, Code]]:
    """The code of the box's region, and those of every finding that it may hold."""
    fitting = (one for one in pipeline.outputs.boxes if box.region in one.regions)
    named = next(one for one in fitting if box.probabilities.keys() <= one.findings.keys())
    return named.regions[box.region], named.findings


def class_codes(pipeline: Pipeline, classified: ClassifiedValue) -> Mapping[str, Code]:
    """The code of each class that the classification could have been."""
    return next(one.classes for one in pipeline.outputs.classifications if one.name == classified.name)


def most_probable_first(probabilities: Mapping[str, float]) -> list[tuple[str, float]]:
    """Labels with their probabilities, the most probable first; equals by label, so that the order is settled."""
    return sorted(probabilities.items(), key=lambda one: (-one[1], one[0]))
