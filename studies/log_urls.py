from django.urls import URLPattern, path

from studies import log_pages

urlpatterns: list[URLPattern] = [
    path("studies/<slug:slug>/log/", log_pages.study_log, name="study-log"),
    path("studies/<slug:slug>/log/export/", log_pages.study_log_export, name="study-log-export"),
]
