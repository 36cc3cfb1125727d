"""Limits to components and environments: what the holder of an API key may post and read. Pure."""

import json
from collections.abc import Iterable
from dataclasses import replace
from hashlib import blake2b
from typing import NamedTuple

from storage.model.event import Event
from storage.model.filters import Filters
from storage.model.name_patterns import Patterns, matches, names_of, simplify


class NameLimits(NamedTuple):
    """Patterns of the components and of the environments that are admitted; empty: all are."""

    components: Patterns = ()
    environments: Patterns = ()

    @classmethod
    def of(cls, components: Iterable[str], environments: Iterable[str]) -> "NameLimits | None":
        """Return the limits in their canonical form, None if they admit everything."""
        limits = cls(simplify(components), simplify(environments))
        return limits if any(limits) else None

    @property
    def digest(self) -> str:
        """Return a hash that is equal for equal limits."""
        return blake2b(json.dumps(self).encode(), digest_size=16).hexdigest()

    def refused(self, component: str, environment: str) -> str | None:
        """Return the field that is outside of the limits, None if the event is within them."""
        if not matches(self.components, component):
            return "component"
        return None if matches(self.environments, environment) else "environment"

    def admits(self, event: Event) -> bool:
        """Return whether an event is within the limits."""
        return self.refused(event.component, event.environment) is None

    def narrow(self, filters: Filters) -> Filters:
        """Return the filters that ask for the same events as far as the limits admit them."""
        component = _narrowed(self.components, filters.component)
        environment = _narrowed(self.environments, filters.environment)
        return replace(
            filters,
            component=component or filters.component,
            environment=environment or filters.environment,
            within_component=() if component else self.components,
            within_environment=() if environment else self.environments,
        )


def _narrowed(patterns: Patterns, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names to filter by, if names alone can say what is asked and admitted.

    Empty if a filter by the patterns is needed, or none at all.
    """
    if names:
        return tuple(name for name in names if matches(patterns, name))
    exact = names_of(patterns)
    return exact if len(exact) == len(patterns) else ()
