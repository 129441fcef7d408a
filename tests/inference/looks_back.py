"""An operator that looks at everything there is of a patient."""

from inference.operators.registry import operator
from inference.operators.values import History, Measurement, PriorSeries, SourceSeries


@operator("test-looks-back", version="1")
def look_back(series: SourceSeries, prior: PriorSeries, history: History) -> Measurement:
    """How many earlier exams there are."""
    return Measurement(float(len(history.results)), "1")
