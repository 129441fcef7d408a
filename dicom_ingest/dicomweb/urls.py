"""The resources of a DICOMweb root (PS3.18 10.1), without slashes at their ends, as the standard has them."""

from django.urls import URLPattern, path

from dicom_ingest.dicomweb import bulkdata, metadata, qido, rendered, stow, wado
from dicom_ingest.dicomweb.access import Handler, ScopeOf, resource, user_scope
from dicom_ingest.dicomweb.scope import Scope


def root(scope_of: ScopeOf[Scope], *, store: Handler = stow.store_instances, prefix: str = "") -> list[URLPattern]:
    """The URLs of one root: `scope_of` decides what is seen through it, `store` what becomes of what is sent to it.

    prefix: of the names of URLs, to tell several roots apart.
    """
    study, series = "studies/<str:study>", "studies/<str:study>/series/<str:series>"
    instance = f"{series}/instances/<str:instance>"
    return [
        path(f"{instance}/frames/<str:frames>", resource(scope_of, GET=wado.retrieve_frames)),
        path("studies", resource(scope_of, GET=qido.search_studies, POST=store)),
        path("series", resource(scope_of, GET=qido.search_series)),
        path("instances", resource(scope_of, GET=qido.search_instances)),
        path(study, resource(scope_of, GET=wado.retrieve_study, POST=store)),
        path(f"{study}/metadata", resource(scope_of, GET=metadata.retrieve_study_metadata)),
        path(f"{study}/series", resource(scope_of, GET=qido.search_series)),
        path(f"{study}/instances", resource(scope_of, GET=qido.search_instances)),
        path(series, resource(scope_of, GET=wado.retrieve_series)),
        path(f"{series}/metadata", resource(scope_of, GET=metadata.retrieve_series_metadata)),
        path(f"{series}/instances", resource(scope_of, GET=qido.search_instances)),
        path(instance, resource(scope_of, GET=wado.retrieve_instance)),
        path(f"{instance}/metadata", resource(scope_of, GET=metadata.retrieve_instance_metadata)),
        path(f"{instance}/bulkdata/<str:bulkdata>", resource(scope_of, GET=bulkdata.retrieve_bulkdata)),
        *_pictures(scope_of, study, rendered.render_study, level=f"{prefix}study"),
        *_pictures(scope_of, series, rendered.render_series, level=f"{prefix}series"),
        *_pictures(scope_of, instance, rendered.render_instance, level=f"{prefix}instance"),
        *_pictures(scope_of, f"{instance}/frames/<str:frames>", rendered.render_frames, level=f"{prefix}frames"),
    ]


def _pictures(scope_of: ScopeOf[Scope], of: str, render: Handler, *, level: str) -> list[URLPattern]:
    view = resource(scope_of, GET=render)
    return [path(f"{of}/{kind}", view, name=f"{level}-{kind}") for kind in ("rendered", "thumbnail")]


urlpatterns = root(user_scope)
