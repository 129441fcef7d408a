from django.urls import URLPattern, path

from studies.reading import correction_pages, read_pages, reads_pages

urlpatterns: list[URLPattern] = [
    path("reads/next/", read_pages.next_read, name="read-next"),
    path("reads/<uuid:read_id>/", read_pages.read, name="read"),
    path("reads/<uuid:read_id>/open/", read_pages.read_open, name="read-open"),
    path("reads/<uuid:read_id>/draft/", read_pages.read_draft, name="read-draft"),
    path("reads/<uuid:read_id>/submit/", read_pages.read_submit, name="read-submit"),
    path("reads/<uuid:read_id>/correction/", correction_pages.correction, name="read-correction"),
    path("reads/<uuid:read_id>/correction/begin/", correction_pages.begin, name="read-correction-begin"),
    path("reads/<uuid:read_id>/correction/none/", correction_pages.none, name="read-correction-none"),
    path("reads/<uuid:read_id>/measurements/", read_pages.read_measurements, name="read-measurements"),
    path("studies/<slug:slug>/reads/", reads_pages.study_reads, name="study-reads"),
    path("studies/<slug:slug>/reads/assign/", reads_pages.assign_now, name="study-reads-assign"),
    path("studies/<slug:slug>/reads/earlier/", reads_pages.give_earlier, name="study-reads-earlier"),
    path("studies/<slug:slug>/reads/<int:reader>/", reads_pages.reader_reads, name="study-reads-reader"),
    path("studies/<slug:slug>/reads/<int:reader>/change/", reads_pages.change, name="study-reads-change"),
]
