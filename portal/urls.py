"""Every URL of the portal, by name only: each app keeps its own list."""

from django.contrib import admin
from django.contrib.auth.views import LogoutView
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView

from portal import health
from portal.accounts import views as accounts
from portal.tokens import ObtainToken

urlpatterns = [
    path("", include("dicom_ingest.urls")),  # first, for of its frames a viewer asks hundreds
    path("", include("studies.urls")),
    path("", include("feedback.urls")),
    path("", include("inference.urls")),
    path("", include("viewer_static.urls")),
    path("", include("portal.audit.urls")),
    path("account/password/", accounts.ChangePassword.as_view(), name="change-password"),
    path("login/", accounts.SignIn.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("session/", accounts.session_state, name="session"),
    path("session/sign-in/", accounts.sign_in_again, name="sign-in-again"),
    path("api/token/", ObtainToken.as_view(), name="token"),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("admin/", admin.site.urls),
]
