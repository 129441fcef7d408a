from django.urls import URLPattern, path

from studies.annotation import annotation_pages, case_masks

urlpatterns: list[URLPattern] = [
    path("reads/<uuid:read_id>/annotation/", annotation_pages.annotation, name="annotation"),
    path("reads/<uuid:read_id>/annotation/mask/", annotation_pages.mask, name="annotation-mask"),
    path("reads/<uuid:read_id>/annotation/upload/", annotation_pages.upload, name="annotation-upload"),
    path("reads/<uuid:read_id>/annotation/start/", annotation_pages.start, name="annotation-start"),
    path("reads/<uuid:read_id>/annotation/submit/", annotation_pages.submit, name="annotation-submit"),
    path("reads/<uuid:read_id>/annotation/images/", annotation_pages.images, name="annotation-images"),
    path("studies/<slug:slug>/cases/<int:number>/mask/", case_masks.upload, name="study-case-mask"),
]
