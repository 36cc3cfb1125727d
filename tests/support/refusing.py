"""Make PostgreSQL refuse rows by their message, with a chosen SQLSTATE."""

import sqlalchemy as sa

_SET_UP = """
    CREATE OR REPLACE FUNCTION refuse_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.message LIKE '{pattern}' THEN
        RAISE EXCEPTION '{said}' USING ERRCODE = '{state}'{more};
    END IF; RETURN NEW; END $$;
    {trigger}
"""
_BEFORE = """CREATE OR REPLACE TRIGGER refuse_row BEFORE INSERT ON events
    FOR EACH ROW EXECUTE FUNCTION refuse_row()"""
_AT_COMMIT = """CREATE CONSTRAINT TRIGGER refuse_row AFTER INSERT ON events
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse_row()"""


def refuse(
    engine: sa.Engine,
    state: str,
    pattern: str,
    at_commit: bool = False,
    table: str = "",
    said: str = "refused by a trigger",
) -> None:
    """Refuse rows whose message is LIKE the pattern. The error names `table`, if given."""
    trigger = _AT_COMMIT if at_commit else _BEFORE
    more = f", TABLE = '{table}'" if table else ""
    text = _SET_UP.format(
        state=state, pattern=pattern.replace("%", "%%"), trigger=trigger, more=more, said=said
    )
    with engine.begin() as connection:
        connection.exec_driver_sql(text, ())


def refuse_nothing(engine: sa.Engine) -> None:
    """Refuse nothing any more."""
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER IF EXISTS refuse_row ON events")
