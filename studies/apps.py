from django.apps import AppConfig


class StudiesConfig(AppConfig):
    name = "studies"
    verbose_name = "Studies"

    def ready(self) -> None:
        from dicom_ingest.pacs import gate  # noqa: PLC0415
        from portal import access  # noqa: PLC0415
        from portal.accounts import directory_accounts  # noqa: PLC0415
        from studies import destinations  # noqa: PLC0415
        from studies.people import group_grants, membership  # noqa: PLC0415

        access.register(
            exam_scope=membership.exam_scope,
            ae_title_scope=membership.ae_title_scope,
            roles_of=membership.roles_of,
        )
        access.register_studies_of_exam(membership.studies_of_exam)
        directory_accounts.register(apply_groups=group_grants.apply)
        gate.register(destinations.sendable)
