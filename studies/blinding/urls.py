"""The resources of a read's own DICOMweb root (PS3.18 10.1): those that a viewer asks for."""

from django.urls import URLPattern, path

from dicom_ingest.dicomweb.access import resource
from studies.blinding import retrieve, search
from studies.blinding.access import scope_of
from studies.reading import deposits

_SERIES = "studies/<str:study>/series/<str:series>"
_INSTANCE = f"{_SERIES}/instances/<str:instance>"


def _pictures(of: str, render: retrieve.Retrieve, *, level: str) -> list[URLPattern]:
    view = resource(scope_of, GET=render)
    return [path(f"{of}/{kind}", view, name=f"read-{level}-{kind}") for kind in ("rendered", "thumbnail")]


urlpatterns = [
    path(f"{_INSTANCE}/frames/<str:frames>", resource(scope_of, GET=retrieve.frames)),
    path("studies", resource(scope_of, GET=search.search_studies, POST=deposits.store)),
    path("series", resource(scope_of, GET=search.search_series)),
    path("instances", resource(scope_of, GET=search.search_instances)),
    path("studies/<str:study>/metadata", resource(scope_of, GET=retrieve.study_metadata)),
    path("studies/<str:study>/series", resource(scope_of, GET=search.search_series)),
    path("studies/<str:study>/instances", resource(scope_of, GET=search.search_instances)),
    path(f"{_SERIES}/metadata", resource(scope_of, GET=retrieve.series_metadata)),
    path(f"{_SERIES}/instances", resource(scope_of, GET=search.search_instances)),
    path(_INSTANCE, resource(scope_of, GET=retrieve.instance)),
    path(f"{_INSTANCE}/metadata", resource(scope_of, GET=retrieve.instance_metadata)),
    *_pictures("studies/<str:study>", retrieve.study_picture, level="study"),
    *_pictures(_SERIES, retrieve.series_picture, level="series"),
    *_pictures(_INSTANCE, retrieve.instance_picture, level="instance"),
    *_pictures(f"{_INSTANCE}/frames/<str:frames>", retrieve.frames_picture, level="frames"),
    path("<path:rest>", resource(scope_of, GET=retrieve.nothing), name="read-nothing"),
]
