"""`/api/v1/invitations`, `password-reset`, `mail`: links that are good once, and the letters that carry them."""

from typing import Annotated

from fastapi import APIRouter, Request, Response

from inglenook.accounts import audit, sessions
from inglenook.accounts.admin_api import ManagesUsers, TheAccounts
from inglenook.accounts.invitations import Invited
from inglenook.accounts.mail.letters import TEST
from inglenook.accounts.permissions import needs, public
from inglenook.accounts.principal import Principal, Thing, Verb
from inglenook.accounts.schemas import (
    InvitationInfo,
    InvitationLook,
    InvitationRequest,
    MailTest,
    MailWaiting,
    NewInvitation,
    NewPassword,
    NewResetLink,
    ResetLook,
    ResetRequest,
    TokenIn,
)
from inglenook.accounts.users import email_key
from inglenook.kit.errors import BadInput

router = APIRouter()

ReadsSettings = Annotated[Principal, needs(Verb.READ, "settings")]
ManagesSettings = Annotated[Principal, needs(Verb.MANAGE, "settings")]


@router.get("/invitations")
async def list_invitations(_: ManagesUsers, accounts: TheAccounts) -> list[InvitationInfo]:
    """The invitations nobody has taken yet, oldest first; also those that have run out."""
    return [InvitationInfo.model_validate(invitation) for invitation in await accounts.invitations.all()]


@router.post("/invitations", status_code=201)
async def invite(
    body: InvitationRequest, principal: ManagesUsers, accounts: TheAccounts, response: Response
) -> NewInvitation:
    """Invite somebody. The answer is the only one that holds the link."""
    made = await accounts.invitations.create(
        principal, email=body.email, role=body.role, groups=body.groups, days=body.days, language=body.language
    )
    return _invited(made, response)


@router.post("/invitations/{invitation_id}/renew")
async def renew_invitation(
    invitation_id: str, principal: ManagesUsers, accounts: TheAccounts, response: Response
) -> NewInvitation:
    """Make a new link in place of the old one, and send it where letters can be sent."""
    return _invited(await accounts.invitations.renew(principal, invitation_id), response)


@router.delete("/invitations/{invitation_id}", status_code=204)
async def revoke_invitation(invitation_id: str, principal: ManagesUsers, accounts: TheAccounts) -> None:
    """Take an invitation back; its link is worthless at once."""
    await accounts.invitations.revoke(principal, invitation_id)


@router.post("/invitations/look", dependencies=[public("its token is the key")])
async def look_at_invitation(body: TokenIn, accounts: TheAccounts) -> InvitationLook:
    """What a link invites to."""
    return InvitationLook.model_validate(await accounts.invitations.look(body.token))


@router.post("/password-reset", status_code=202, dependencies=[public("who forgot their password cannot sign in")])
async def ask_for_reset(body: ResetRequest, request: Request, accounts: TheAccounts) -> None:
    """Have a link for a new password sent to one's address. The answer is the same whether there is such a user."""
    sessions.check_same_origin(request)
    accounts.ask_reset(request, body.name)


@router.post("/password-reset/look", dependencies=[public("its token is the key")])
async def look_at_reset(body: TokenIn, accounts: TheAccounts) -> ResetLook:
    """Whose password a link changes."""
    return ResetLook(name=await accounts.resets.look(body.token))


@router.post("/password-reset/complete", status_code=204, dependencies=[public("its token is the key")])
async def complete_reset(body: NewPassword, request: Request, accounts: TheAccounts) -> None:
    """Choose a new password by a link; one's sessions end."""
    sessions.check_same_origin(request)
    await accounts.complete_reset(body.token, body.password)


@router.post("/users/{user_id}/reset-link", status_code=201)
async def make_reset_link(
    user_id: str, principal: ManagesUsers, accounts: TheAccounts, response: Response
) -> NewResetLink:
    """Make a link for a new password, to hand it to the user. The answer is the only one that holds it."""
    response.headers["cache-control"] = "no-store"
    return NewResetLink.model_validate(await accounts.resets.make(principal, user_id))


@router.post("/mail/test", status_code=204)
async def test_mail(body: MailTest, principal: ManagesSettings, accounts: TheAccounts) -> None:
    """Send an e-mail now, to see whether the settings are right; the error says what the mail server said."""
    user = accounts.snapshot.now.users.get(principal.user_id)
    address = body.address or (user.email if user else None)
    if not address:
        raise BadInput("say where to send it: your account has no e-mail address", field="address")
    email_key(address)
    language = user.language if user and user.language else accounts.outbox.site.now.language
    await accounts.outbox.try_out(address, TEST.fill(language))
    await accounts.store.write(
        lambda session: audit.record(session, principal, "mail.tested", Thing("settings", "mail"), address=address)
    )


@router.get("/mail/waiting")
async def list_waiting_mail(_: ReadsSettings, accounts: TheAccounts) -> list[MailWaiting]:
    """E-mails that are not sent yet, newest first, with what the mail server said."""
    return [MailWaiting.model_validate(letter) for letter in await accounts.outbox.waiting()]


@router.post("/mail/waiting/{letter_id}/again", status_code=204)
async def send_mail_again(letter_id: str, principal: ManagesSettings, accounts: TheAccounts) -> None:
    """Try an e-mail again now."""
    await accounts.outbox.again(principal, letter_id)


@router.delete("/mail/waiting/{letter_id}", status_code=204)
async def drop_mail(letter_id: str, principal: ManagesSettings, accounts: TheAccounts) -> None:
    """Throw an e-mail away that is not sent yet."""
    await accounts.outbox.drop(principal, letter_id)


def _invited(made: Invited, response: Response) -> NewInvitation:
    response.headers["cache-control"] = "no-store"
    info = InvitationInfo.model_validate(made.invitation)
    return NewInvitation(**info.model_dump(), path=made.path, link=made.link, sent=made.sent)
