"""The pages of the exchange with remotes."""

from django.urls import URLPattern, path

from dicom_ingest.pacs import views

urlpatterns: list[URLPattern] = [
    path("", views.pacs, name="pacs"),
    path("transfers/", views.transfers, name="pacs-transfers"),
    path("retrieve/", views.bring_in, name="pacs-bring-in"),
    path("remotes/<int:pk>/echo/", views.try_remote, name="pacs-echo"),
    path("retrievals/<uuid:transfer_id>/cancel/", views.cancel_retrieval, name="retrieval-cancel"),
    path("retrievals/<uuid:transfer_id>/retry/", views.retry_retrieval, name="retrieval-retry"),
    path("sendings/<uuid:transfer_id>/", views.sending, name="sending"),
    path("sendings/<uuid:transfer_id>/progress/", views.sending_progress, name="sending-progress"),
    path("sendings/<uuid:transfer_id>/cancel/", views.cancel_sending, name="sending-cancel"),
    path("sendings/<uuid:transfer_id>/retry/", views.retry_sending, name="sending-retry"),
]
