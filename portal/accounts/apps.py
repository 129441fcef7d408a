from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "portal.accounts"
    label = "accounts"
    verbose_name = "Sign-in"

    def ready(self) -> None:
        from portal.accounts import checks, sessions  # noqa: F401, PLC0415 - importing registers them
