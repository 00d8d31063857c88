"""The statements of a repair as one script: for psql, and for any driver that takes several statements at once."""

from itertools import groupby

from orion_db.repair.statement import Repair, Statement, literal

# Whoever waits for a lock makes all others wait behind it, so the script gives up soon. Bodies of functions may speak
# of tables that come later in the script; pg_dump does the same.
_BEGIN = "BEGIN;\nSET LOCAL lock_timeout = '5s';\nSET LOCAL check_function_bodies = off;"


DISCARD = "orion.discard"
"""The setting that lets a script destroy rows and values."""


def script(repair: Repair, title: str) -> str:
    """The repair as SQL text: in a transaction, except for what cannot run in one. By hand: as comments on top.

    It ends before it destroys rows or values, unless the setting DISCARD is "yes" where it runs.
    """
    lines = [_comment(title), *(_comment(f"Left to be done by hand: {entry}") for entry in repair.by_hand)]
    for alone, group in groupby(repair.statements, key=lambda statement: statement.alone):
        texts = [_text(statement) for statement in group]
        lines += texts if alone == "outside" else [_BEGIN, *texts, "COMMIT;"]
    return "\n".join(lines) + "\n"


def _text(statement: Statement) -> str:
    notes = [f"Destroys {statement.destroys}"] if statement.destroys else []
    notes += [statement.note] if statement.note else []
    guard = [_guard(statement)] if statement.lost else []
    return "\n".join([*map(_comment, notes), *guard, f"{statement.sql.rstrip().removesuffix(';')};"])


def _guard(statement: Statement) -> str:
    refusal = literal(f"this would destroy {statement.destroys}").strip()
    table = statement.sql.removeprefix("DROP TABLE ")
    # Nobody adds a row between the look and the DROP. To read a column may take long, and is done beside others.
    lock = f"\n  LOCK TABLE {table};" if table != statement.sql else ""
    return f"""DO $guard$ BEGIN{lock}
  IF coalesce(current_setting('{DISCARD}', true), '') <> 'yes' AND EXISTS ({statement.lost}) THEN
    RAISE EXCEPTION USING MESSAGE = {refusal},
      HINT = 'Save what is worth it; then let go of the rest: PGOPTIONS="-c {DISCARD}=yes" psql …';
  END IF;
END $guard$;"""


def _comment(text: str) -> str:
    return "\n".join(f"-- {line}" for line in text.splitlines())
