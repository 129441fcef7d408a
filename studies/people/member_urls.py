"""The pages of a study's members, and of the invited."""

from django.urls import URLPattern, path

from studies.people import invitation_pages, member_pages

STUDY = "studies/<slug:slug>"

urlpatterns: list[URLPattern] = [
    path(f"{STUDY}/members/", member_pages.members_page, name="study-members"),
    path(f"{STUDY}/members/<int:pk>/withdraw/", member_pages.withdraw_member, name="member-withdraw"),
    path(f"{STUDY}/invitations/", member_pages.invite, name="invitations"),
    path(f"{STUDY}/invitations/<int:pk>/renew/", member_pages.renew_invitation, name="invitation-renew"),
    path(f"{STUDY}/invitations/<int:pk>/withdraw/", member_pages.withdraw_invitation, name="invitation-withdraw"),
    path(f"{STUDY}/groups/", member_pages.grant_to_group, name="group-grants"),
    path(f"{STUDY}/groups/<int:pk>/withdraw/", member_pages.withdraw_group_grant, name="group-grant-withdraw"),
    # The key stands in the query: paths are logged, queries are not.
    path("invitation/", invitation_pages.invitation, name="invitation"),
    path("invitation/account/", invitation_pages.new_account, name="invitation-account"),
]
