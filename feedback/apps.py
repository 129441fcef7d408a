from django.apps import AppConfig


class FeedbackConfig(AppConfig):
    name = "feedback"
    verbose_name = "Feedback"

    def ready(self) -> None:
        from django.core.checks import register  # noqa: PLC0415 - apps are not ready above

        from feedback.course.checks import check_rules  # noqa: PLC0415

        register(check_rules)
