"""What the tests of evidence share with those of blinding: a case that three arms segmented."""

from tests.studies.blinding.conftest import make_scene, scene, segmented

__all__ = ["make_scene", "scene", "segmented"]
