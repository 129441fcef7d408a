from django.urls import URLPattern, URLResolver, include, path

from studies import image_display, views

urlpatterns: list[URLPattern | URLResolver] = [
    path("reads/<uuid:read>/dicomweb/", include("studies.blinding.urls")),
    path("", views.home, name="home"),
    path("", include("studies.protocols.protocol_urls")),
    path("", include("studies.reading.read_urls")),
    path("", include("studies.annotation.annotation_urls")),
    path("studies/<slug:slug>/", views.study, name="study"),
    path("studies/<slug:slug>/", include("studies.cases.case_urls")),
    path("studies/<slug:slug>/", include("studies.evidence.result_urls")),
    path("", include("studies.quality.quality_urls")),
    path("", include("studies.log_urls")),
    path("", include("studies.people.member_urls")),
    path("exams/<str:study_instance_uid>/", views.exam, name="exam"),
    path("exams/<str:study_instance_uid>/progress/", views.exam_progress, name="exam-progress"),
    path("IHEInvokeImageDisplay", image_display.image_display, name="image-display"),
]
