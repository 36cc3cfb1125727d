"""The faults of a query string."""

import pytest

from api.http.error_detail import ErrorDetail
from api.query.pairs import InvalidQuery
from api.query.params import parse_filters


def faults_of(query_string: bytes) -> list[ErrorDetail]:
    with pytest.raises(InvalidQuery) as caught:
        parse_filters(query_string)
    assert caught.value.faults
    return caught.value.faults


def only_fault(query_string: bytes) -> ErrorDetail:
    (fault,) = faults_of(query_string)
    return fault
