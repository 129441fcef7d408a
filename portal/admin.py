from django.contrib import admin
from django.contrib.auth.admin import UserAdmin

from portal.accounts.forms import AdminSignInForm
from portal.models import User

admin.site.register(User, UserAdmin)
admin.site.site_header = admin.site.site_title = "Overread administration"
admin.site.index_title = "Accounts and studies"
admin.site.login_form = AdminSignInForm
