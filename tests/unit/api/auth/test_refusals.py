"""A refusal names its remedy, also after the filter for secrets."""

from api.auth.refusals import lacks, unauthorized
from storage.access.api_key import Scope
from storage.logs.redaction import redact


def test_the_filter_for_secrets_leaves_every_refusal_readable() -> None:
    for refusal in (unauthorized(), *(lacks(scope) for scope in Scope)):
        text = f"answer {refusal.status}: {refusal.detail} (request a-b)"
        assert redact(text) == text
    assert "`Bearer KEY`" in unauthorized().detail
