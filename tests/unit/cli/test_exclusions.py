"""Options that would have no effect beside others are refused, by every command."""

import pytest

from cli.main import main, parser


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("erase --list --rewrite", ("--rewrite", "--list")),
        ("erase --records --rewrite", ("--rewrite", "--records")),
        ("erase --records --dry-run", ("--dry-run", "--records")),
        ("erase --list --dry-run --json", ("--dry-run", "--list")),
        ("erase --email a@b.example --dry-run --rewrite", ("--rewrite", "--dry-run")),
        ("retention run --dry-run --yes", ("--yes", "--dry-run")),
        ("restore --own-servers --data-dir .", ("--data-dir", "--own-servers")),
        ("health worker --port 5000", ("worker", "--port")),
        ("health worker --tls-ca ca.pem", ("worker", "--tls-ca")),
        ("health api --data-dir . --host ::1", ("--data-dir", "--host")),
        ("keys create page --scope read --quiet --json", ("--quiet", "--json")),
        ("keys rotate 0aZ9bY8x --json --quiet", ("--quiet", "--json")),
        ("send f --restart --continue-anyway", ("--continue-anyway", "--restart")),
        ("api --uds socket --port 5001", ("--uds", "--port")),
        ("query --stats --follow", ("--stats", "--follow")),
        ("query --all --limit 0", ("--all", "--limit")),
    ],
)
def test_an_option_that_would_be_ignored_is_refused(
    line: str, names: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(line.split()) == 2
    told = capsys.readouterr().err
    assert f"activity: error: {names[0]} and {names[1]} exclude each other\n" in told
    assert told.startswith(f"usage: activity {line.split()[0]}")


@pytest.mark.parametrize("line", ["query --follow --since f", "query --all --csv", "health worker"])
def test_options_that_go_together_are_taken(line: str) -> None:
    parser().parse(line.split())
