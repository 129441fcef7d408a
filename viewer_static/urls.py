"""The viewer's addresses, which OHIF fixes; its other files are served at the site's root by WhiteNoise."""

from django.urls import URLPattern, URLResolver, path

from viewer_static import views

urlpatterns: list[URLPattern | URLResolver] = [
    path("viewer", views.viewer, name="viewer"),
    path("segmentation", views.viewer, name="segmentation"),
    path("app-config.js", views.app_config, name="viewer-configuration"),
    path("viewer-modules/<slug:name>.js", views.module, name="viewer-module"),
]
