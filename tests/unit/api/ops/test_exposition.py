"""The format of the metrics follows the Accept header, whatever it holds."""

import pytest

from api.ops.exposition import expose

OPEN = "application/openmetrics-text"
PROMETHEUS = (
    f"{OPEN};version=1.0.0;escaping=allow-utf-8;q=0.5,{OPEN};version=0.0.1;q=0.4,"
    "text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)


@pytest.mark.parametrize(
    "accept",
    ["", "*/*", "text/plain;version=0.0.4"]
    + [
        f"{media};version={version}"
        for media in (OPEN, "text/plain")
        for version in (
            *("\xff", "\xb2", "\u0661.0.0", "\u0662.\u0660", "x", "1.x.0", "2.x", "2.\xff", "."),
            *(
                '"1.0.0"',
                "-1",
                "1.0.0\nx",
                "1.0.0\x00",
                "9" * 5000,
                "1." * 5000,
                " 1.0.0",
                "1_0.0.0",
            ),
        )
    ],
)
def test_what_is_asked_for_in_an_odd_way_is_plain_text(accept: str) -> None:
    assert expose([], accept).media_type == "text/plain; version=0.0.4; charset=utf-8"


@pytest.mark.parametrize("accept", [OPEN, f"{OPEN};version=1.0.0", PROMETHEUS])
@pytest.mark.parametrize("before", ["", "application/json;version=v2,", f"{OPEN};version=\xff,"])
def test_openmetrics_is_given_to_who_asks_for_it(accept: str, before: str) -> None:
    found = expose([], before + accept)
    assert found.media_type.startswith(f"{OPEN}; version=1.0.0")
    assert found.body == b"# EOF\n"
