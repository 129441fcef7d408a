from django.urls import URLPattern, URLResolver, include, path
from rest_framework.routers import SimpleRouter

from feedback import views
from feedback.api import FeedbackViewSet

router = SimpleRouter()
router.register("feedback", FeedbackViewSet, basename="api-feedback")

urlpatterns: list[URLPattern | URLResolver] = [
    path("results/<uuid:result_id>/", views.result_page, name="result"),
    path("results/<uuid:result_id>/feedback/", views.result_feedback, name="result-feedback"),
    path("api/", include(router.urls)),
]
