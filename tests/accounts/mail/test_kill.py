"""A server that is killed with a letter under way."""

import asyncio
from pathlib import Path

import pytest

from tests.support.mail import MailThread, link_of
from tests.support.running import RunningServer

pytestmark = pytest.mark.slow


def test_a_letter_under_way_survives_kill_and_is_sent_after_the_start(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with MailThread() as post:
        with RunningServer(data) as server:
            admin = server.set_up()
            admin.put("/api/v1/settings/site", json={"settings": {"public_url": "https://house.test"}})
            post.server.hold = asyncio.Event()
            admin.put("/api/v1/settings/mail", json={"settings": post.server.settings}).raise_for_status()
            made = admin.post("/api/v1/invitations", json={"email": "bob@example.com"}, timeout=5).json()
            assert made["sent"]  # and the answer came while the mail server was silent
            post.asked()
            server.kill()
            admin.close()
        post.server.hold = None
        with RunningServer(data) as server:
            (letter,) = post.came()
            assert link_of(letter) == made["link"]
            with server.log_in() as admin:
                assert admin.get("/api/v1/invitations").json()[0]["id"] == made["id"]
