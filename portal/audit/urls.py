from django.urls import URLPattern, path

from portal.audit import views

urlpatterns: list[URLPattern] = [
    path("log/", views.log_page, name="log"),
    path("log/export/", views.log_export, name="log-export"),
]
