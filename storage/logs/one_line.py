"""Write any text in one line that is safe to show in a terminal. Pure."""


def one_line(text: str) -> str:
    r"""Escape every character that can't be printed: a line end becomes `\n`, ESC `\x1b`."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else _escaped(each) for each in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()
