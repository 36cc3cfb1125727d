"""Compare the documentation with the code."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from activity_client import log_event
from api.auth.access import ACCESS
from api.formats.cloudevents import mapping
from api.formats.otlp import records
from api.formats.otlp.budget import Budgets
from api.ingest.request_limits import RequestLimits
from api.query import pairs, params
from api.query.bulk_reads import MAX_WAITING
from api.query.export import params as export_params
from api.query.export.service import MAX_EXPORTS, PATIENCE_SECONDS
from api.query.feed import params as feed_params
from api.query.feed import places, tokens
from api.query.fresh import FRESH
from api.query.id_params import ID
from api.query.statistics import facet_params
from api.query.statistics import params as stats_params
from api.settings import ApiSettings
from cli.unknown_variables import CLASSES, known_variables
from storage.access.api_key import Scope
from storage.events.export import PAGE_BYTES, PAGE_ROWS
from storage.metrics.catalogue import CATALOGUE
from storage.metrics.metric import Metric
from storage.model.filters import PARAMETERS
from storage.postgres.engine import COUNTING_CONNECTIONS
from storage.postgres.tables import metadata
from storage.redis import keys
from storage.secret_files import file_variables
from storage.statistics import bars, value_counts
from storage.statistics.marks import MAX_NAMED
from storage.statistics.value_counts import MAX_VALUE_BYTES

ROOT = Path(__file__).parents[2]
PAGES = [
    *sorted(ROOT.glob("docs/*.md")),
    ROOT / "docs/decisions/README.md",
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
]
FOLDERS = {folder.name for folder in ROOT.iterdir() if folder.is_dir()}


def shown(default: object) -> str:
    return "none" if default == "" else f"`{default}`"


def settings_rows() -> list[str]:
    """Return the rows that docs/settings.md must have, in this order."""
    return [
        f"| `ACTIVITY_{name.upper()}` | {shown(field.default)} | {field.description} |"
        for cls in CLASSES
        for name, field in cls.model_fields.items()
    ]


def test_the_settings_page_lists_every_setting_with_its_default_and_meaning() -> None:
    page = (ROOT / "docs/settings.md").read_text().splitlines()
    assert [line for line in page if line.startswith("| `ACTIVITY_")] == settings_rows()


def metrics_rows(origin: str) -> list[str]:
    """Return the rows that docs/metrics.md must have, in this order."""
    return [
        f"| `{metric.name}` | {metric.kind} | {label_names(metric)} | {metric.unit or '-'} "
        f"| {metric.help} |"
        for metric in CATALOGUE
        if metric.origin == origin
    ]


def label_names(metric: Metric) -> str:
    return ", ".join(f"`{name}`" for name, _ in metric.labels) or "-"


def test_the_metrics_page_lists_the_catalogue() -> None:
    page = (ROOT / "docs/metrics.md").read_text()
    service, instance = page.split("## Of an instance")
    for part, origin in ((service, "service"), (instance, "instance")):
        shown = [line for line in part.splitlines() if line.startswith("| `activity_")]
        assert shown == metrics_rows(origin)
    labels = {label: values for metric in CATALOGUE for label, values in metric.labels if values}
    for label, values in labels.items():
        assert f"| `{label}` | {', '.join(f'`{value}`' for value in values)} |" in page


def test_the_settings_page_lists_every_variable_that_names_a_file() -> None:
    page = (ROOT / "docs/settings.md").read_text()
    section = page.partition("## Secrets from files")[2].partition("An address or a password")[2]
    listed = re.findall(r"`(ACTIVITY_\w+_FILE)`", section.partition("Environment variables")[0])
    assert listed == [name for cls in CLASSES for name in file_variables(cls)]


def test_every_variable_that_a_page_or_a_file_names_is_one_that_is_known() -> None:
    """Check this because a command warns of an unknown variable."""
    pages = [*ROOT.glob("docs/**/*.md"), *ROOT.glob("*.yaml"), *ROOT.glob("Dockerfile.*")]
    pages += [ROOT / "README.md", ROOT / ".env.example", *ROOT.glob("examples/*.py")]
    named = {name for page in pages for name in re.findall(r"ACTIVITY_[A-Z_]+", page.read_text())}
    assert {name for name in named if name[-1] != "_"} - known_variables() == set()


def test_every_class_of_settings_is_known() -> None:
    defined = {
        name
        for file in ROOT.glob("[acsw]*/settings.py")
        for name in re.findall(r"class (\w+)\((?:Base)?Settings\)", file.read_text())
    }
    assert defined - {"Settings"} == {cls.__name__ for cls in CLASSES}


def test_no_setting_has_two_homes() -> None:
    names = [name for cls in CLASSES for name in cls.model_fields]
    assert len(names) == len(set(names))


def test_the_architecture_page_names_every_table() -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    assert all(f"| `{table}` |" in page for table in metadata.tables)


@pytest.mark.parametrize(
    "key",
    [
        keys.stream(7).replace("7", "N"),
        keys.state(7).replace("7", "N"),
        keys.ids(7).replace("7", "N"),
        keys.idempotency_record(7, b"").replace("7", "N") + "<key>",
        keys.idempotency_expiry(7).replace("7", "N"),
        keys.SHARD_COUNT,
        keys.shard_count("N"),
        keys.probe("N"),
        keys.REFUSED_JOBS,
        keys.API_KEYS,
        keys.API_KEYS_VERSION,
        keys.PENDING_AUDIT,
        keys.GENERATIONS,
        keys.PENDING_WRITERS,
        keys.pending_tags(7).replace("7", "<N>"),
        keys.page("<digest>"),
        keys.page_lock("<digest>"),
        keys.day("<digest>", 0).replace(":0", ":<day>"),
        keys.limit("<key id>"),
    ],
)
def test_the_architecture_page_names_every_redis_key(key: str) -> None:
    assert f"`{key}`" in (ROOT / "docs/architecture.md").read_text()


def named_paths(text: str) -> list[str]:
    """Return the files and folders of the repository that a text names in backticks."""
    paths = re.findall(r"`([\w.]+/[\w./-]*)`", text)
    return [
        path for path in paths if path.split("/")[0] in FOLDERS or path.endswith((".py", ".lua"))
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    assert missing_paths(page.read_text()) == []


def missing_paths(text: str) -> list[str]:
    return [name for name in named_paths(text) if not (ROOT / name).exists()]


def test_the_new_names_in_old_decisions_exist() -> None:
    for page in (ROOT / "docs/decisions").glob("0*.md"):
        _, _, since = page.read_text().partition("**Since then**")
        assert missing_paths(since) == [], page.name


def test_the_index_of_decisions_lists_each_of_them() -> None:
    index = (ROOT / "docs/decisions/README.md").read_text()
    for page in (ROOT / "docs/decisions").glob("0*.md"):
        assert f"]({page.name})" in index


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_name_that_a_page_gives_of_a_file_is_in_that_file(page: Path) -> None:
    text = page.read_text()
    named = re.findall(r"`([\w.]+)` (?:in|of) `([\w/]+\.(?:py|lua))`", text)
    assert [(name, file) for name, file in named if missing(name, file)] == []


def missing(name: str, file: str) -> bool:
    text = (ROOT / file).read_text()
    return any(part not in text for part in name.split("."))


def test_the_formats_page_has_the_tables_that_the_code_goes_by() -> None:
    page = (ROOT / "docs/formats.md").read_text()
    for field, attributes in mapping.FIELDS.items():
        assert f"| `{field}` | {listed(attributes)} |" in page
    for field, attributes in records.FIELDS.items():
        (row,) = re.findall(rf"\| `{field}` \| the .*", page)
        assert listed(attributes) in row
    for fixed in (
        records.UNKNOWN_SERVICE,
        records.NO_ENVIRONMENT,
        records.NO_MESSAGE,
    ):
        assert f"else `{fixed}` |" in page
    most = RequestLimits.of(ApiSettings(_env_file=None)).records
    assert f"{most.records:,} records, {most.kept_bytes >> 20} MiB as events" in page
    budgets = Budgets(most.records)
    for budget in (budgets.groups, budgets.values, budgets.faults):
        assert f"{budget.limit:,} {budget.what}" in page
    assert f"at most {budgets.brackets.limit:,} arrays and objects" in page


def test_the_http_page_lists_every_parameter_of_a_query_as_it_is_declared() -> None:
    rows = [f"| `{each.name}` | {each.description} |" for each in (*PARAMETERS, ID, FRESH)]
    head = "| parameter | means |\n|---|---|\n"
    table = head + "\n".join(rows) + "\n\n"
    assert table in (ROOT / "docs/http.md").read_text(), f"docs/http.md must have:\n{table}"


def page_with_parameters(name: str, *tables: Mapping[str, str]) -> str:
    """Return a page as one line, after a check that it has these tables of parameters."""
    page = (ROOT / name).read_text()
    for own in tables:
        rows = [f"| `{parameter}` | {text} |" for parameter, text in own.items()]
        table = "| parameter | means |\n|---|---|\n" + "\n".join(rows) + "\n\n"
        assert table in page, f"{name} must have:\n{table}"
    return page.replace("\n", " ")


def test_the_http_page_lists_the_parameters_of_statistics_as_they_are_declared() -> None:
    told = page_with_parameters("docs/http.md", stats_params.OWN)
    for bound in (f"{bars.MAX_BARS:,} bars", f"fewer than {bars.AUTO_BARS} bars"):
        assert bound in told
    for bound in (f"at most {MAX_NAMED} values", f"more than {MAX_VALUE_BYTES} bytes counts"):
        assert bound in told
    assert f"At most {['no', 'one', 'two'][COUNTING_CONNECTIONS]} such requests" in told
    assert f"and {MAX_WAITING} wait" in told


def test_the_http_page_lists_the_parameters_of_facets_as_they_are_declared() -> None:
    told = page_with_parameters("docs/http.md", facet_params.OWN)
    assert f"more than {value_counts.MAX_VALUES:,} different values" in told
    assert f"more than {MAX_VALUE_BYTES} bytes is not named" in told


def test_the_feed_page_lists_the_parameters_as_they_are_declared() -> None:
    told = page_with_parameters("docs/feed.md", feed_params.OF_CHANGES, feed_params.OF_TAIL)
    assert f"lets {places.MAX_READERS} polls wait" in told
    assert f"serves {places.MAX_READERS} streams" in told
    assert f"at most {tokens.MAX_LENGTH:,} characters" in told


def test_the_export_page_lists_the_parameters_and_bounds_as_they_are_declared() -> None:
    told = page_with_parameters("docs/export.md", export_params.OWN)
    assert f"A page of {PAGE_ROWS:,} events" in told
    assert f"at most {PAGE_BYTES >> 20} MiB" in told
    assert f"at most {MAX_EXPORTS} exports at a time" in told
    assert f"stays away for {PATIENCE_SECONDS:g} s" in told
    assert f"the {['no', 'one', 'two'][COUNTING_CONNECTIONS]} connections of statistics" in told


def test_the_http_page_tells_which_scope_each_route_needs() -> None:
    page = (ROOT / "docs/http.md").read_text()
    for scope in (*Scope, None):
        routes = [
            f"`{method} {path}`" for (method, path), needed in ACCESS.items() if needed == scope
        ]
        row = f"| {'none' if scope is None else f'`{scope}`'} | {', '.join(routes)}"
        assert row in page, row


def test_the_http_page_tells_the_bounds_of_a_query() -> None:
    page = (ROOT / "docs/http.md").read_text().replace("\n", " ")
    assert f"at most {params.MAX_CHARACTERS:,} characters" in page
    assert f"a query string {pairs.MAX_QUERY_BYTES >> 10} KiB" in page
    assert f"{pairs.MAX_PAIRS} parameters, and {params.MAX_VALUES} values" in page


def test_the_client_page_tells_the_bounds_of_a_log_record() -> None:
    page = (ROOT / "docs/client.md").read_text().replace("\n", " ")
    assert f"share {log_event.RECORD_BYTES >> 10} KiB of JSON" in page
    assert log_event.MESSAGE_BYTES == log_event.TEXT_BYTES
    assert f"have at most {log_event.TEXT_BYTES >> 10} KiB each" in page
    assert f"one `extra` {log_event.EXTRA_BYTES >> 10} KiB" in page
    assert f"Of `extra` {log_event.EXTRAS} values" in page


def listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)
