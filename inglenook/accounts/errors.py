"""Errors of accounts that somebody catches, or whose code means something to a client."""

from inglenook.kit.errors import Conflict, Forbidden, Unauthenticated


class WrongPassword(Unauthenticated):
    """The name or the password is wrong."""

    code = "wrong_password"


class AccountDisabled(Forbidden):
    """This account is disabled; ask an administrator."""

    code = "account_disabled"


class NotSameOrigin(Forbidden):
    """The request did not come from Inglenook's own page."""

    code = "not_same_origin"


class NameTaken(Conflict):
    """There is one of that name already."""

    code = "name_taken"


class LastAdmin(Conflict):
    """This is the only administrator; make somebody else one first."""

    code = "last_admin"


class LinkSpent(Forbidden):
    """This link was used already, or has run out; ask for a new one."""

    code = "link_spent"


class SetupDone(Conflict):
    """The server is set up already; sign in."""

    code = "setup_done"


class WrongSetupToken(Forbidden):
    """The set-up token is wrong; open the address that the terminal printed when the server started."""

    code = "wrong_setup_token"
