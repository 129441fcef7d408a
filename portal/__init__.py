"""Overread: a portal on which hospitals validate radiology AI before it may touch care."""

from portal.celery import app as celery_app

__all__ = ["celery_app"]
