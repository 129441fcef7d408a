"""Results whose page stands open while a session ends."""

from tests.feedback.conftest import make_exam, make_result, pipeline, result

__all__ = ["make_exam", "make_result", "pipeline", "result"]
