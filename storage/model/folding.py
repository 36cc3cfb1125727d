"""Move what a tree says into the fields of `Filters` that say exactly the same. Pure.

So `q=component:billing` and `component=billing` are one question, with one cache key and the same
cache tags.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from storage.model.normal_form import all_of, any_of, normal_form
from storage.model.where import And, Contains, DataIs, Email, Name, Not, Or, Where

Texts = tuple[str, ...]

_ONE_OF = ("component", "environment", "email")
_NONE_OF = ("not_component", "not_environment")


def folded(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of `Filters` that change when its tree is folded, `where` among them.

    All must be in their normal form. Only parts that must match whatever else does are folded.
    """
    found = {name: fields[name] for name in (*_ONE_OF, *_NONE_OF, "message", "data")}
    messages = {found["message"]} if found["message"] else set()
    rest: list[Where] = []
    for part in all_of(fields["where"]):
        name, texts = _field_of(part)
        if name == "message":
            messages.add(texts)
        elif name is None or not _add(found, name, texts):
            rest.append(part)
    found["message"], *others = sorted(messages, key=_is_long) or [()]
    rest += [Or(tuple(map(Contains, texts))) for texts in others]
    return {**found, "where": normal_form(And(tuple(rest)))}


def contained(term: DataIs) -> Texts:
    """Return the JSON objects one of which `data` contains if the term matches."""
    return tuple(sorted(_objects(term)))


def _objects(term: DataIs) -> Iterator[str]:
    opened = "".join(f"{{{msgspec.json.encode(key).decode()}:" for key in term.path)
    closed = "}" * len(term.path)
    for value in term.values:
        yield f"{opened}{value}{closed}"
        yield f"{opened}[{value}]{closed}"


def _field_of(part: Where) -> tuple[str | None, Texts]:
    """Return the field that says the same as this part, with its texts; None if there is none."""
    found = [_field_of_term(term) for term in any_of(part)]
    names = {name for name, _ in found}
    name = names.pop() if len(names) == 1 else None
    if name in _NONE_OF and len(found) > 1:  # not one, or not the other: that excludes nothing
        return None, ()
    return name, tuple(sorted({text for _, texts in found for text in texts}))


def _field_of_term(term: Where) -> tuple[str | None, Texts]:
    match term:
        case Name(field, text, False):
            return field, (text,)
        case Not(Name(field, text, False)):
            return f"not_{field}", (text,)
        case Email(text):
            return "email", (text,)
        case Contains(text, False):
            return "message", (text,)
        case DataIs():
            return "data", contained(term)
    return None, ()


def _add(found: dict[str, Any], name: str, texts: Texts) -> bool:
    """Add texts to a field; return False where the field can't say both."""
    if name == "data":
        found["data"] = tuple(sorted({*found["data"], texts}))
    elif name in _NONE_OF:
        found[name] = tuple(sorted({*found[name], *texts}))
    else:
        both = tuple(text for text in texts if text in found[name]) if found[name] else texts
        found[name] = both or found[name]
        return bool(both)
    return True


def _is_long(texts: Texts) -> Any:
    """Order by how few messages contain the texts, as far as their length tells."""
    return -min(map(len, texts)), texts
