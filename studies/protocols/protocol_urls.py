"""Where studies begin, and where their protocols are written."""

from django.urls import path

from studies.protocols import new_study_pages, preview_pages, protocol_pages, section_pages

urlpatterns = [
    path("studies/", new_study_pages.studies, name="studies"),
    path("studies/new/", new_study_pages.new, name="study-new"),
    path("studies/<slug:slug>/protocol/", protocol_pages.protocol_page, name="study-protocol"),
    path("studies/<slug:slug>/protocol.yaml", protocol_pages.protocol_file, name="study-protocol-file"),
    path("studies/<slug:slug>/protocol/versions/", protocol_pages.versions, name="study-protocol-versions"),
    path("studies/<slug:slug>/protocol/amend/", protocol_pages.amend, name="study-amend"),
    path("studies/<slug:slug>/protocol/put-in-force/", protocol_pages.put_in_force, name="study-amendment-force"),
    path("studies/<slug:slug>/protocol/discard/", protocol_pages.discard, name="study-amendment-discard"),
    path("studies/<slug:slug>/protocol/sections/<str:key>/", section_pages.section, name="study-protocol-section"),
    path("studies/<slug:slug>/protocol/preview/", preview_pages.criteria_preview, name="study-criteria-preview"),
    path("studies/<slug:slug>/stage/", protocol_pages.stage, name="study-stage"),
]
