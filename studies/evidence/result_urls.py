from django.urls import URLPattern, path

from studies.evidence import report_pages, result_pages

urlpatterns: list[URLPattern] = [
    path("results/", result_pages.results, name="study-results"),
    path("results/export.zip", result_pages.export, name="study-results-export"),
    path("results/report.pdf", report_pages.report, name="study-report"),
    path("results/report/", report_pages.ask, name="study-report-ask"),
    path("results/report/progress/", report_pages.progress, name="study-report-progress"),
]
