"""Real argon2id with the real parameters."""

import asyncio
import unicodedata

import pytest
from argon2 import PasswordHasher

from inglenook.accounts.passwords import MAX_LENGTH, Passwords, check, generate
from inglenook.kit.errors import BadInput, TooMany


@pytest.fixture
def passwords():
    passwords = Passwords()
    yield passwords
    passwords.close()


async def test_hashes_are_argon2id_above_the_floor_of_owasp(passwords: Passwords) -> None:
    hashed = await passwords.hash("correct horse")
    scheme, _version, parameters = hashed.split("$")[1:4]
    values = dict(part.split("=") for part in parameters.split(","))
    assert scheme == "argon2id"
    assert int(values["m"]) >= 19 * 1024
    assert int(values["t"]) >= 2
    assert hashed != await passwords.hash("correct horse")


async def test_only_the_password_itself_verifies(passwords: Passwords) -> None:
    hashed = await passwords.hash("correct horse")
    assert await passwords.verify(hashed, "correct horse")
    assert not await passwords.verify(hashed, "correct horsf")
    assert not await passwords.verify(None, "correct horse")
    assert not await passwords.verify("not a hash", "correct horse")
    assert not await passwords.verify(hashed, "x" * (MAX_LENGTH + 1))


async def test_the_same_letters_from_another_keyboard_verify(passwords: Passwords) -> None:
    hashed = await passwords.hash(unicodedata.normalize("NFC", "größere Äpfel"))
    assert await passwords.verify(hashed, unicodedata.normalize("NFD", "größere Äpfel"))


async def test_hashes_with_former_parameters_are_outdated(passwords: Passwords) -> None:
    old = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("correct horse")
    assert passwords.outdated(old)
    assert await passwords.verify(old, "correct horse")
    assert not passwords.outdated(await passwords.hash("correct horse"))


async def test_the_event_loop_goes_on_while_hashing(passwords: Passwords) -> None:
    hashing = asyncio.gather(*(passwords.hash("correct horse") for _ in range(4)))
    turns = 0
    while not hashing.done():
        turns += 1
        await asyncio.sleep(0)
    await hashing
    assert turns > 50


async def test_a_flood_is_refused_before_it_piles_up() -> None:
    passwords = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    results = await asyncio.gather(*(passwords.verify(None, "x") for _ in range(150)), return_exceptions=True)
    assert sum(isinstance(result, TooMany) for result in results) == 50
    assert await passwords.verify(None, "x") is False
    passwords.close()


@pytest.mark.parametrize(("password", "why"), [("seven77", "at least 8"), ("x" * 257, "at most 256")])
def test_lengths_are_limited_with_a_clear_message(password: str, why: str) -> None:
    with pytest.raises(BadInput, match=why) as refused:
        check(password)
    assert refused.value.field == "password"


def test_generated_passwords_will_do() -> None:
    first, second = generate(), generate()
    check(first)
    assert first != second
