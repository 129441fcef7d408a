from django.apps import AppConfig


class StudiesConfig(AppConfig):
    name = "studies"
    verbose_name = "Studies"

    def ready(self) -> None:
        from portal import access  # noqa: PLC0415
        from studies import membership  # noqa: PLC0415

        access.register(exam_scope=membership.exam_scope, roles_of=membership.roles_of)
