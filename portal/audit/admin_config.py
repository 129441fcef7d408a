from django.contrib.admin.apps import AdminConfig


class AuditedAdminConfig(AdminConfig):
    """Django's administration, on a site that puts on record what is seen and changed in it."""

    default_site = "portal.audit.admin_site.AuditedSite"
