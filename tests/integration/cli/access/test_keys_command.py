"""`activity keys` and `activity audit` on real servers, with both homes and with one away."""

import json
import os
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cli.access import opened
from cli.main import main
from storage.access import homes as homes_module
from storage.access import token
from storage.access.actor import actor
from storage.access.api_key import Scope
from storage.postgres.engine import short_engine
from storage.redis import keys as names
from storage.redis.client import connect
from storage.settings import StorageSettings
from tests.support.access import DATABASE_AWAY, QUEUE_AWAY, Homes, homes_of
from worker.key_maintenance import KeyMaintenance

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def homes(settings: StorageSettings) -> Iterator[Homes]:
    with homes_of(settings) as found:
        yield found


@pytest.fixture
def activity(
    settings: StorageSettings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Run a command; return its exit status and what it has printed."""
    for name in [name for name in os.environ if name.startswith("ACTIVITY_")]:
        monkeypatch.delenv(name)

    def run(*words: str, **servers: str) -> tuple[int, str, str]:
        for name in ("queue_url", "control_url", "database_url"):
            url = servers.get(name, getattr(settings, name))
            monkeypatch.setenv(f"ACTIVITY_{name.upper()}", url)
        status = main(words)
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def as_json(answer: tuple[int, str, str]) -> Any:
    assert answer[0] == 0, answer
    return json.loads(answer[1])


def test_the_token_is_printed_once_and_alone_on_standard_output(
    activity: Run, homes: Homes
) -> None:
    status, out, err = activity("keys", "create", "billing", "--scope", "write")
    text = out.strip()
    assert (status, out) == (0, f"{text}\n")
    found = homes.queue.load()[1].keys[token.id_of(text)]
    assert found.digest == token.digest(text)
    assert homes.table.load().keys == {found.id: found}
    assert found.id in err
    assert text[13:] not in err
    quiet = activity("keys", "create", "quiet", "--scope", "read", "--quiet")
    assert re.fullmatch(f"{token.PATTERN}\n", quiet[1])
    assert quiet[2] == ""
    document = as_json(activity("keys", "create", "json", "--scope", "read", "--json"))
    assert token.id_of(document["token"]) == document["key"]["id"]
    for later in (("list",), ("list", "--all", "--json"), ("show", found.id), ("show", "json")):
        assert text[13:] not in activity("keys", *later)[1]


def test_every_grant_is_kept_and_shown(activity: Run) -> None:
    limits = ("--component", "pay-*", "--environment", "prod", "--rate", "5000/s")
    more = ("--daily", "1000000", "--expires", "90d", "--origin", "https://A.example.com")
    scopes = ("--scope", "write", "--scope", "read")
    made = as_json(activity("keys", "create", "all", *scopes, *limits, *more, "--json"))["key"]
    shown = as_json(activity("keys", "show", "all", "--json"))["key"]
    assert shown == made
    assert shown["scopes"] == ["read", "write"]
    assert (shown["components"], shown["environments"]) == (["pay-*"], ["prod"])
    assert (shown["events_per_second"], shown["events_per_day"]) == (5000, 1_000_000)
    assert shown["origins"] == ["https://a.example.com"]
    assert shown["expires_at"] > shown["created_at"]
    assert shown["status"] == "active"


def test_a_rotated_key_stays_until_the_overlap_is_over_and_its_name_goes_on(activity: Run) -> None:
    old = as_json(activity("keys", "create", "a", "--scope", "write", "--json"))["key"]
    new = as_json(activity("keys", "rotate", "a", "--overlap", "1h", "--json"))
    assert new["key"]["name"] == "a"
    assert (new["old"]["id"], new["old"]["status"]) == (old["id"], "ending")
    with_both = as_json(activity("keys", "list", "--json"))["keys"]
    assert {key["id"] for key in with_both} == {old["id"], new["key"]["id"]}
    status, _, err = activity("keys", "revoke", "a")
    assert status == 1
    assert old["id"] in err
    assert new["key"]["id"] in err
    assert activity("keys", "revoke", old["id"])[0] == 0
    assert as_json(activity("keys", "show", "a", "--json"))["key"]["id"] == new["key"]["id"]
    assert activity("keys", "rotate", old["id"])[0] == 1
    at_once = as_json(activity("keys", "rotate", "a", "--overlap", "0s", "--json"))
    assert at_once["old"]["status"] == "revoked"


def test_a_key_is_revoked_now_or_later_and_for_good(activity: Run) -> None:
    activity("keys", "create", "a", "--scope", "write")
    later = as_json(activity("keys", "revoke", "a", "--in", "1h", "--json"))
    assert (later["key"]["status"], later["changed"]) == ("ending", True)
    now = as_json(activity("keys", "revoke", "a", "--json"))
    assert (now["key"]["status"], now["changed"]) == ("revoked", True)
    again = as_json(activity("keys", "revoke", "a", "--json"))
    assert (again["key"], again["changed"]) == (now["key"], False)
    status, out, err = activity("keys", "list")
    assert (status, out) == (0, "")
    assert "not shown: 1 revoked or expired" in err
    assert "revoked" in activity("keys", "list", "--all")[1]
    assert activity("keys", "create", "a", "--scope", "write")[0] == 0  # the name is free again


def test_revoking_the_last_key_warns_that_nobody_is_let_in(activity: Run) -> None:
    for name in ("a", "b"):
        activity("keys", "create", name, "--scope", "write")
    assert activity("keys", "revoke", "a")[2] == ""
    assert "no other key is valid" in activity("keys", "revoke", "b")[2]


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (("create", "a", "--scope", "wrte"), 2, "there is no 'wrte'; did you mean write?"),
        (("create", "a"), 2, "required: --scope"),
        (("create", "a", "--scope", "read", "--rate", "5/s"), 2, "it needs --scope write"),
        (("create", "a", "--scope", "write", "--rate", "fast"), 2, "such as 5000/s"),
        (("create", "a", "--scope", "write", "--daily", "0"), 2, "from 1 to"),
        (("create", "a", "--scope", "write", "--expires", "soon"), 2, "such as 24h or 90d"),
        (("create", "a", "--scope", "write", "--expires", "2020-01-01"), 2, "not in the future"),
        (("create", "a", "--scope", "write", "--component", "a*b"), 2, "like pay-*"),
        (("create", "a", "--scope", "write", "--origin", "a"), 2, "https://app.example.com"),
        (("create", "known", "--scope", "write"), 1, "there is a key named known already"),
        (("show", "knwon"), 1, "did you mean known?"),
        (("revoke", "nobody00"), 1, "keys list --all"),
        (("rotate", "known", "--overlap", "long"), 2, "such as 30s, 15m"),
        (("revoke", "known", "--in", "-1h"), 2, "is not a duration"),
        (("frobnicate",), 2, "there is no 'frobnicate'"),
    ],
)
def test_a_mistake_is_named_with_its_remedy(
    activity: Run, words: tuple[str, ...], status: int, told: str
) -> None:
    activity("keys", "create", "known", "--scope", "read")
    found = activity("keys", *words, "--json")
    assert found[0] == status
    assert told in json.loads(found[1])["error"]["message"]
    assert len(as_json(activity("keys", "list", "--all", "--json"))["keys"]) == 1


def test_one_home_is_enough_and_the_other_gets_the_change_later(
    activity: Run, homes: Homes
) -> None:
    no_queue, no_table = {"queue_url": QUEUE_AWAY}, {"database_url": DATABASE_AWAY}
    for name, servers, home, away in (
        ("first", no_table, "the queue", "PostgreSQL"),
        ("second", no_queue, "PostgreSQL", "the queue"),
    ):
        status, out, err = activity("keys", "create", name, "--scope", "write", "--json", **servers)
        document = json.loads(out)
        assert status == 0
        assert document["homes"] == [home]
        assert list(document["failures"]) == [away]
        assert f"activity: warning: {away} could not be told" in err
        assert "within a minute" in err
    assert homes.queue.load()[1].keys.keys() != homes.table.load().keys.keys()
    KeyMaintenance(homes.client, homes.engine).run_once()
    assert len(homes.table.load().keys) == 2
    assert activity("keys", "revoke", "first", **no_queue)[0] == 0
    assert activity("keys", "rotate", "second", "--overlap", "0s", **no_table)[0] == 0
    KeyMaintenance(homes.client, homes.engine).run_once()
    assert homes.queue.load()[1] == homes.table.load()
    assert sum(key.revoked_at is not None for key in homes.table.load().keys.values()) == 2


@pytest.mark.parametrize(
    "words", [("create", "a", "--scope", "write"), ("list",), ("show", "a"), ("revoke", "a")]
)
def test_without_any_home_nothing_is_done(activity: Run, words: tuple[str, ...]) -> None:
    away = {"queue_url": QUEUE_AWAY, "database_url": DATABASE_AWAY}
    status, out, err = activity("keys", *words, **away)
    assert (status, out) == (1, "")
    assert "neither the queue nor PostgreSQL" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("words", [("keys", "list"), ("audit",)])
def test_who_has_named_no_server_is_told_how_to_name_the_run_of_this_machine(
    words: tuple[str, ...],
    activity: Run,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(opened, "connect", lambda _url, wait: connect(QUEUE_AWAY, wait))
    monkeypatch.setattr(opened, "short_engine", lambda _url: short_engine(DATABASE_AWAY))
    assert main(words) == 1  # `activity` has taken all settings out of the environment
    said = capsys.readouterr().err
    assert "give --data-dir DIR" in said
    assert "(the queue does not answer" in said
    _, _, named = activity(*words, queue_url=QUEUE_AWAY, database_url=DATABASE_AWAY)
    assert "neither the queue nor PostgreSQL" in named
    assert "--data-dir" not in named


def test_no_more_keys_than_the_maximum_are_made(
    activity: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(homes_module, "MAX_KEYS", 1)
    assert activity("keys", "create", "a", "--scope", "write")[0] == 0
    for words in (("create", "b", "--scope", "write"), ("rotate", "a")):
        status, _, err = activity("keys", *words)
        assert status == 1
        assert "there are 1 API keys, and at most 1 can be made" in err
    assert activity("keys", "revoke", "a")[0] == 0


def test_a_record_that_can_not_be_read_is_named(activity: Run, homes: Homes) -> None:
    made = as_json(activity("keys", "create", "a", "--scope", "write", "--json"))["key"]
    homes.client.hset(names.API_KEYS, made["id"], "garbage")
    for words in (("list",), ("show", made["id"])):
        assert f"the key '{made['id']}' can't be read" in activity("keys", *words)[2]
    assert activity("keys", "revoke", made["id"])[0] == 1


def test_each_act_is_in_the_audit_log_with_who_did_it(activity: Run, homes: Homes) -> None:
    first = as_json(activity("keys", "create", "a", "--scope", "write", "--json"))
    second = as_json(activity("keys", "rotate", "a", "--json", database_url=DATABASE_AWAY))
    wanted = [("keys create", first["key"]["id"]), ("keys rotate", first["key"]["id"])]
    activity("keys", "revoke", "nobody00")
    assert acts(activity) == wanted  # the second one is on the queue only
    KeyMaintenance(homes.client, homes.engine).run_once()
    assert homes.client.llen(names.PENDING_AUDIT) == 0
    assert acts(activity) == wanted
    activity("keys", "revoke", second["key"]["id"], queue_url=QUEUE_AWAY)
    assert acts(activity) == [*wanted, ("keys revoke", second["key"]["id"])]
    document = activity("audit", "--json")[1]
    assert {(act["actor"], act["result"]) for act in json.loads(document)["acts"]} == {
        (actor(), "done")
    }
    for secret in (first["token"][13:], second["token"][13:]):
        assert secret not in document


def acts(activity: Run) -> list[tuple[str, str]]:
    found = as_json(activity("audit", "--json"))["acts"]
    return [(act["action"], act["target"]) for act in found]


def test_the_audit_log_is_shown_since_a_time_and_says_what_may_be_missing(activity: Run) -> None:
    status, out, err = activity("audit")
    assert (status, out) == (0, "")
    assert "no acts since" in err
    for name in ("a", "b", "c"):
        activity("keys", "create", name, "--scope", "write")
    shown = activity("audit", "--since", "1h")[1].splitlines()
    assert [re.search(r"name=(\w)", line)[1] for line in shown] == ["a", "b", "c"]  # type: ignore[index]
    assert len(activity("audit", "--limit", "2")[1].splitlines()) == 2
    activity("keys", "create", "d scopes=admin", "--scope", "write")
    assert 'name="d scopes=admin"' in activity("audit", "--limit", "1")[1]
    assert activity("audit", "--since", "2999-01-01")[1] == ""
    for servers in ({"database_url": DATABASE_AWAY}, {"queue_url": QUEUE_AWAY}):
        status, out, err = activity("audit", **servers)
        assert status == 1
        assert len(out.splitlines()) == 4
        assert "could not be asked" in err


def test_all_scopes_can_be_granted(activity: Run) -> None:
    words = [word for scope in Scope for word in ("--scope", scope.value)]
    made = as_json(activity("keys", "create", "all", *words, "--json"))["key"]
    assert made["scopes"] == sorted(Scope)
