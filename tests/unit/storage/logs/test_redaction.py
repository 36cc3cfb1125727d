"""No password and no token leaves the process in a text, whatever is around it."""

import json
import string
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import SecretStr

from storage.errors import QueueUnsuitable
from storage.failures import reason
from storage.logs.redaction import redact
from storage.settings import StorageSettings
from tests.support.log_records import known, line

TOKEN = "act_0aZ9bY8c_" + "S3cretS3cretS3cretS3cretS3cretS3" + "aB3dE6"
# Passwords as people and generators make them, and with every character that some form escapes.
PASSWORDS = st.text(
    string.ascii_letters
    + string.digits
    + "!@#$%^&*()-_=+[]{};:'\"\\|,.<>/?`~ \n\té€\U0001f600\x1b",
    min_size=6,
    max_size=40,
)
AROUND = st.text(max_size=40) | st.sampled_from(
    ["://", "://u:", "@", "=", "password='", "\\", "***"]
)
FORMS = pytest.mark.parametrize("form", ["text", "json"])


def written(form: str, password: str) -> str:
    """Return the password in a form in which an error may show it."""
    match form:
        case "encoded":
            return quote(password, safe="")
        case "repr":
            return repr(password)
        case "bytes":
            return repr(password.encode())
        case "json":
            return json.dumps({"any": password})
    return password


@FORMS
@given(PASSWORDS, AROUND, AROUND, st.sampled_from(["plain", "encoded", "repr", "bytes", "json"]))
def test_no_configured_secret_comes_out(
    form: str, password: str, before: str, after: str, way: str
) -> None:
    text = f"{before}{written(way, password)}{after}"
    with known(password):
        frame = line(form, "", error=ValueError(""))
        assume(password not in frame)
        lines = [
            line(form, text),
            line(form, "%s%s%s", before, written(way, password), after),
            line(form, "x", error=ValueError(text)),
            line(form, {"k": password}),
        ]
        for each in lines:
            assert password not in each
            assert written(way, password).strip("'\"") not in each or way in ("bytes", "json")
            if form == "json":
                assert not any(password in str(value) for value in json.loads(each).values())


@FORMS
@given(st.lists(PASSWORDS, min_size=1, max_size=4), st.data())
def test_of_several_secrets_none_comes_out_wherever_they_touch(
    form: str, passwords: list[str], data: st.DataObject
) -> None:
    parts = data.draw(st.lists(st.sampled_from(passwords) | AROUND, max_size=8))
    with known(*passwords):
        assume(not any(one in line(form, "") for one in passwords))
        said = line(form, "".join(parts))
    assert not any(one in said for one in passwords)


@given(AROUND, AROUND)
def test_no_key_of_the_service_comes_out(before: str, after: str) -> None:
    said = redact(f"{before}{TOKEN}{after}")
    assert TOKEN[13:] not in said
    assert "S3cret" not in said


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("redis://user:hidden@h:6379/0", "redis://user:***@h:6379/0"),
        ("at redis://:hidden@h, retrying", "at redis://:***@h, retrying"),
        ("postgresql+psycopg2://u:p%40hidden@h/db", "postgresql+psycopg2://u:***@h/db"),
        ("postgresql://u:hid/den?#@h/db", "postgresql://u:***@h/db"),
        ("redis://u:hid@den@h/0", "redis://u:***@h/0"),
        ("unix://u:hidden@/run/q.sock?db=0", "unix://u:***@/run/q.sock?db=0"),
        ("q=redis%3A%2F%2Fu%3Ahidden%40h", "q=redis%3A%2F%2Fu%3A***%40h"),
        ("host=h password=hidden user=u", "host=h password=*** user=u"),
        ("host=h password='hid den' user=u", "host=h password=*** user=u"),
        ("password = 'it\\'s hidden' user=u", "password = *** user=u"),
        ("/db?user=u&password=hidden&x=1", "/db?user=u&password=***&x=1"),
        ("{'password': 'hidden', 'user': 'u'}", "{'password': ***, 'user': 'u'}"),
        ('{"password": "hidden", "user": "u"}', '{"password": ***, "user": "u"}'),
        ("Authorization: Bearer hidden", "Authorization: Bearer ***"),
        ("authorization: Basic aGlkZGVu", "authorization: Basic ***"),
        ("[(b'authorization', b'Bearer hidden')]", "[(b'authorization', b'Bearer ***')]"),
        ("the token Bearer hiddenhidden.", "the token Bearer ***"),
        (f"key {TOKEN} is unknown", "key act_0aZ9bY8c_… is unknown"),
        (f"key {TOKEN[:-1]} has a typo", "key act_0aZ9bY8c_… has a typo"),
    ],
)
def test_what_looks_like_a_secret_is_replaced(text: str, shown: str) -> None:
    assert redact(text) == shown
    assert redact(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:5000/events",
        "listening: http://[::1]:5000, unix:/run/activity.sock",
        "mail to ann@example.com about http://example.com:80/x",
        'FATAL: password authentication failed for user "activity"',
        "ACTIVITY_QUEUE_PASSWORD: Input should be a valid string",
        "in a password write %40 for @, %2F for /, %3A for : and %25 for %",
        "Idempotency-Key: 5f2c",
        "act_0aZ9bY8c is the id of a key",
        "activity_events act_of_god",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


def test_the_settings_teach_their_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "libpq-pw")
    with known():
        StorageSettings(
            queue_url="redis://u:queue%2Fpw@h:1/0",
            control_url="redis://h:1/0",
            control_password=SecretStr("control-pw"),
            database_url="postgresql+psycopg2://u@h/db?password=database-pw",
            _env_file=None,
        )
        for secret in ("queue/pw", "queue%2Fpw", "control-pw", "database-pw", "libpq-pw"):
            assert redact(f"<{secret}>") == "<***>"


def test_the_reason_of_a_failure_holds_no_secret() -> None:
    assert reason(ValueError("redis://u:hidden@h")) == "ValueError: redis://u:***@h"
    assert reason(QueueUnsuitable("redis://u:hidden@h")) == "redis://u:***@h"


@pytest.mark.parametrize(
    "hostile",
    ["://a:", "%3A%2F%2Fa%3A", "@://a:", "password='\\", "authorization: ", "act_a_", "bearer  "],
)
def test_no_text_of_a_client_takes_long(hostile: str) -> None:
    """Redact 300 kB: in squared time that would take many minutes."""
    redact("@%40" + hostile * 50_000)
