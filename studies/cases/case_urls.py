from django.urls import URLPattern, path

from studies.cases import case_pages, flow_pages, table_pages, truth_pages

urlpatterns: list[URLPattern] = [
    path("flow/", flow_pages.flow_page, name="study-flow"),
    path("flow/diagram/", flow_pages.diagram, name="study-flow-diagram"),
    path("flow/missed/", flow_pages.take_missed, name="study-missed"),
    path("flow/again/", flow_pages.screen_outdated, name="study-screen-outdated"),
    path("cases/", case_pages.case_page_list, name="study-cases"),
    path("cases/<int:number>/", case_pages.case_page, name="study-case"),
    path("cases/<int:number>/qc/", case_pages.review, name="study-case-qc"),
    path("cases/<int:number>/qc-again/", case_pages.review_again, name="study-case-qc-again"),
    path("cases/<int:number>/try-again/", case_pages.try_again, name="study-case-try-again"),
    path("screenings/<int:screening>/", case_pages.screening_page, name="study-screening"),
    path("screenings/<int:screening>/again/", case_pages.screen_again, name="study-screening-again"),
    path("screenings/<int:screening>/decision/", case_pages.decide, name="study-screening-decision"),
    path("findings/", table_pages.findings, name="study-findings"),
    path("tables/<int:table>/", table_pages.table, name="study-table"),
    path("truth/", truth_pages.truth_page, name="study-truth"),
    path("truth/table/", truth_pages.upload, name="study-truth-table"),
    path("truth/segmentations/", truth_pages.segmentations, name="study-truth-segmentations"),
    path("truth/lock/", truth_pages.lock, name="study-truth-lock"),
]
