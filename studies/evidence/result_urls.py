from django.urls import URLPattern, path

from studies.evidence import result_pages

urlpatterns: list[URLPattern] = [
    path("results/", result_pages.results, name="study-results"),
    path("results/export.zip", result_pages.export, name="study-results-export"),
]
