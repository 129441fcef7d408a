from django.urls import URLPattern, path

from studies.quality import overview_pages, queue_pages

urlpatterns: list[URLPattern] = [
    path("qc/", queue_pages.queue_page, name="qc"),
    path("qc/cases/<int:case>/", queue_pages.case_page, name="qc-case"),
    path("qc/cases/<int:case>/verdict/", queue_pages.give_verdict, name="qc-verdict"),
    path("qc/cases/<int:case>/series/", queue_pages.run_on_series, name="qc-series"),
    path("qc/cases/<int:case>/pictures/<str:mark>/<str:name>", queue_pages.picture, name="qc-picture"),
    path("studies/<slug:slug>/quality/", overview_pages.overview, name="study-quality"),
]
