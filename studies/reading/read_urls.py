from django.urls import URLPattern, path

from studies.reading import read_pages, reads_pages

urlpatterns: list[URLPattern] = [
    path("reads/next/", read_pages.next_read, name="read-next"),
    path("reads/<uuid:read_id>/", read_pages.read, name="read"),
    path("reads/<uuid:read_id>/open/", read_pages.read_open, name="read-open"),
    path("reads/<uuid:read_id>/draft/", read_pages.read_draft, name="read-draft"),
    path("reads/<uuid:read_id>/submit/", read_pages.read_submit, name="read-submit"),
    path("studies/<slug:slug>/reads/", reads_pages.study_reads, name="study-reads"),
    path("studies/<slug:slug>/reads/assign/", reads_pages.assign_now, name="study-reads-assign"),
    path("studies/<slug:slug>/reads/earlier/", reads_pages.give_earlier, name="study-reads-earlier"),
    path("studies/<slug:slug>/reads/<int:reader>/", reads_pages.reader_reads, name="study-reads-reader"),
    path("studies/<slug:slug>/reads/<int:reader>/change/", reads_pages.change, name="study-reads-change"),
]
