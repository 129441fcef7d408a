#!/usr/bin/env python
"""Overread's command line: `manage.py help` lists what it can do."""

import os
import sys

from django.core.management import execute_from_command_line

from portal.audit import origin

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    with origin.acting(origin.of_command_line()):
        execute_from_command_line(sys.argv)
