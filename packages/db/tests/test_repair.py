"""The SQL between two catalogs runs, and leads exactly there; each pair both ways, with rows in the tables."""

import secrets
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

import asyncpg
import pytest

import orion_db
from orion_db.catalog import Catalog
from orion_db.repair import Repair, repair_between, script, statements_between
from orion_db.repair.script import DISCARD

if TYPE_CHECKING:
    from packages.db.tests.conftest import Shop

PAIRS = {
    "an enum that everything stands on loses, moves and gains labels": (
        """CREATE TYPE mood AS ENUM ('GOOD', 'BAD', 'GONE');
        CREATE TABLE a (id integer PRIMARY KEY, m mood NOT NULL DEFAULT 'GOOD', all_ mood[] DEFAULT '{GOOD}',
          CONSTRAINT c CHECK (m <> 'GONE'), worse boolean GENERATED ALWAYS AS (m > 'GOOD') STORED);
        CREATE INDEX part ON a (id) WHERE m = 'BAD';
        CREATE FUNCTION better(m mood) RETURNS mood LANGUAGE sql AS $$ SELECT 'GOOD'::mood $$;
        CREATE VIEW v AS SELECT better(m) AS m FROM a; CREATE VIEW w AS SELECT m FROM v WHERE m = 'GOOD';
        CREATE POLICY p ON a USING (m = 'GOOD');
        GRANT SELECT ON v TO PUBLIC; INSERT INTO a (id) VALUES (1)""",
        """CREATE TYPE mood AS ENUM ('BAD', 'FAIR', 'GOOD');
        CREATE TABLE a (id integer PRIMARY KEY, m mood NOT NULL DEFAULT 'FAIR', all_ mood[] DEFAULT '{GOOD}',
          worse boolean GENERATED ALWAYS AS (m > 'GOOD') STORED);
        CREATE INDEX part ON a (id) WHERE m = 'BAD';
        CREATE FUNCTION better(m mood) RETURNS mood LANGUAGE sql AS $$ SELECT 'GOOD'::mood $$;
        CREATE VIEW v AS SELECT better(m) AS m FROM a; CREATE VIEW w AS SELECT m FROM v WHERE m = 'GOOD';
        CREATE POLICY p ON a USING (m = 'GOOD');
        GRANT SELECT ON v TO PUBLIC; INSERT INTO a (id) VALUES (1)""",
    ),
    "an enum with the same use before and after only gains labels": (
        "CREATE TYPE mood AS ENUM ('GOOD'); CREATE TABLE a (m mood DEFAULT 'GOOD')",
        "CREATE TYPE mood AS ENUM ('BEST', 'GOOD', 'o''k', 'BAD'); CREATE TABLE a (m mood DEFAULT 'BAD')",
    ),
    "types of both ends of a foreign key, under views and triggers": (
        """CREATE TABLE a (id integer PRIMARY KEY, t text DEFAULT '1'); CREATE TABLE b (a_id integer REFERENCES a);
        CREATE VIEW v AS SELECT id, t FROM a; CREATE MATERIALIZED VIEW mv AS SELECT id FROM v;
        CREATE UNIQUE INDEX mvi ON mv (id); COMMENT ON VIEW v IS 'it''s';
        CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE TRIGGER tr BEFORE UPDATE OF id ON a FOR EACH ROW EXECUTE FUNCTION f();
        INSERT INTO a VALUES (1); INSERT INTO b VALUES (1)""",
        """CREATE TABLE a (id bigint PRIMARY KEY, t integer DEFAULT 1); CREATE TABLE b (a_id bigint REFERENCES a);
        CREATE VIEW v AS SELECT id, t FROM a; CREATE MATERIALIZED VIEW mv AS SELECT id FROM v;
        CREATE UNIQUE INDEX mvi ON mv (id); COMMENT ON VIEW v IS 'it''s';
        CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE TRIGGER tr BEFORE UPDATE OF id ON a FOR EACH ROW EXECUTE FUNCTION f();
        INSERT INTO a VALUES (1); INSERT INTO b VALUES (1)""",
    ),
    "names that need quotes, and two schemas": (
        "CREATE TABLE plain (id integer)",
        """CREATE SCHEMA "My Schema"; CREATE TYPE "My Schema"."M.ood" AS ENUM ('a "b" c');
        CREATE TABLE "My Schema"."T.x" ("Id" serial PRIMARY KEY, "select" "My Schema"."M.ood" DEFAULT 'a "b" c',
          "o'k" text DEFAULT E'back\\\\slash''s' CHECK ("o'k" <> ''));
        CREATE TABLE "Order" ("user" integer REFERENCES "My Schema"."T.x", "when" timestamptz);
        CREATE INDEX "I.x" ON "Order" ("user" DESC) WHERE "when" IS NOT NULL;
        COMMENT ON COLUMN "Order"."when" IS E'a\\nb';
        CREATE FUNCTION "My Schema"."F"(p "My Schema"."M.ood" DEFAULT 'a "b" c') RETURNS SETOF "Order"
          LANGUAGE sql AS 'SELECT * FROM "Order"'; GRANT UPDATE ("user") ON "Order" TO PUBLIC;
        CREATE RULE "r r" AS ON INSERT TO "Order" WHERE NEW."user" IS NULL DO INSTEAD NOTHING""",
    ),
    "tables that refer to each other, and one to itself": (
        "CREATE TABLE other (id integer)",
        """CREATE TABLE a (id integer PRIMARY KEY, b_id integer); CREATE TABLE b (id integer PRIMARY KEY, a_id integer);
        ALTER TABLE a ADD FOREIGN KEY (b_id) REFERENCES b DEFERRABLE; ALTER TABLE b ADD FOREIGN KEY (a_id) REFERENCES a;
        ALTER TABLE a ADD CONSTRAINT self FOREIGN KEY (b_id) REFERENCES a""",
    ),
    "identity, serial, generated, storage, statistics": (
        """CREATE TABLE a (id integer GENERATED ALWAYS AS IDENTITY (START 5 INCREMENT 2), n integer, t text,
          g integer GENERATED ALWAYS AS (n * 2) STORED); INSERT INTO a (n, t) VALUES (1, 'x')""",
        """CREATE SEQUENCE own; CREATE TABLE a (id integer NOT NULL, n serial, t text, g integer);
        ALTER TABLE a ALTER t SET STORAGE EXTERNAL, ALTER t SET STATISTICS 5, ALTER t SET (n_distinct = 5);
        ALTER SEQUENCE own OWNED BY a.g; INSERT INTO a VALUES (1, 1, 'x')""",
    ),
    "partitions by list and hash, attached and detached": (
        """CREATE TABLE p (k text, n integer, PRIMARY KEY (k, n)) PARTITION BY LIST (k);
        CREATE TABLE pa PARTITION OF p FOR VALUES IN ('a'); CREATE TABLE pb PARTITION OF p FOR VALUES IN ('b')
          PARTITION BY HASH (n); CREATE TABLE pb0 PARTITION OF pb FOR VALUES WITH (MODULUS 2, REMAINDER 0);
        CREATE INDEX pi ON p (n)""",
        """CREATE TABLE p (k text, n integer, PRIMARY KEY (k, n)) PARTITION BY LIST (k);
        CREATE TABLE pb PARTITION OF p FOR VALUES IN ('b', 'c')
          PARTITION BY HASH (n); CREATE TABLE pb0 PARTITION OF pb FOR VALUES WITH (MODULUS 2, REMAINDER 1);
        CREATE INDEX pi ON p (n, k); CREATE TABLE q (id integer)""",
    ),
    "domains, composite types, exclusion, statistics, rules, replica identity": (
        "CREATE DOMAIN d AS text CHECK (VALUE <> 'x'); CREATE TABLE a (t d, r int4range)",
        """CREATE DOMAIN d AS text DEFAULT 'q' NOT NULL CONSTRAINT "C c" CHECK (VALUE <> 'y');
        CREATE TYPE pair AS (a integer, b d); CREATE TABLE a (t d, r int4range, p pair);
        ALTER TABLE a ADD CONSTRAINT ex EXCLUDE USING gist (r WITH &&) WHERE (r IS NOT NULL);
        CREATE STATISTICS s ON t, r FROM a; ALTER STATISTICS s SET STATISTICS 7; COMMENT ON STATISTICS s IS 'x';
        CREATE UNIQUE INDEX u ON a (r) INCLUDE (t); ALTER TABLE a ALTER r SET NOT NULL, REPLICA IDENTITY USING INDEX u;
        ALTER TABLE a ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY""",
    ),
    "owners, grants with and without options, default privileges": (
        """CREATE TABLE a (x integer, y integer); GRANT SELECT (x) ON a TO PUBLIC; GRANT INSERT ON a TO PUBLIC;
        CREATE FUNCTION f() RETURNS integer LANGUAGE sql AS 'SELECT 1'; REVOKE ALL ON FUNCTION f FROM PUBLIC""",
        """CREATE TABLE a (x integer, y integer); GRANT SELECT (x) ON a TO PUBLIC;
        GRANT SELECT ON a TO orion_shop_service WITH GRANT OPTION; ALTER TABLE a OWNER TO orion_shop_owner;
        CREATE FUNCTION f() RETURNS integer LANGUAGE sql AS 'SELECT 1'; ALTER FUNCTION f OWNER TO orion_shop_owner;
        ALTER DEFAULT PRIVILEGES FOR ROLE orion_shop_owner REVOKE USAGE ON TYPES FROM PUBLIC""",
    ),
    "a procedure, a trigger that is off, a view that becomes a table": (
        """CREATE TABLE t (id integer); CREATE VIEW x AS SELECT 1 AS one; CREATE PROCEDURE p(a integer)
        LANGUAGE plpgsql AS 'BEGIN END'""",
        """CREATE TABLE t (id integer); CREATE TABLE x (one integer); CREATE PROCEDURE p(b integer)
        LANGUAGE plpgsql AS 'BEGIN END';
        CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE TRIGGER g AFTER INSERT ON t REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION f();
        ALTER TABLE t DISABLE TRIGGER g""",
    ),
}


class Two:
    """Two databases of the shop, made by SQL and read."""

    def __init__(self, shop: "Shop") -> None:
        self.shop = shop
        self.names = [f"{shop.database}_{secrets.token_hex(2)}" for _ in range(2)]

    async def make(self) -> None:
        for name in self.names:
            await self.shop.run(f"CREATE DATABASE {name} OWNER orion_shop_owner", self.shop.admin_url)

    async def drop(self) -> None:
        for name in self.names:
            await self.shop.run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)", self.shop.admin_url)

    async def run(self, number: int, sql: str) -> None:
        url = self.shop.url(database=self.names[number])
        connection = await asyncpg.connect(url, server_settings={DISCARD: "yes"})
        try:
            await connection.execute(sql)
        finally:
            await connection.close()

    async def catalog(self, number: int) -> Catalog:
        url = self.shop.url(database=self.names[number])
        return await orion_db.catalog_of(orion_db.Target(self.shop.service, url, url))


@pytest.fixture
async def two(shop: "Shop") -> AsyncGenerator[Two]:
    await orion_db.prepare(shop.target)
    two = Two(shop)
    await two.make()
    yield two
    await two.drop()


@pytest.mark.parametrize("pair", PAIRS)
async def test_one_schema_is_led_to_another_and_back(two: Two, pair: str) -> None:
    for number, sql in enumerate(PAIRS[pair]):
        await two.run(number, sql)
    first, second = [await two.catalog(number) for number in (0, 1)]
    for wanted in (second, first):
        repair = repair_between(await two.catalog(0), wanted, database=two.names[0])
        assert repair.by_hand == ()
        await two.run(0, script(repair, "there"))
        left = orion_db.compare(wanted, await two.catalog(0))
        assert [str(entry) for entry in left] == []


async def test_rows_survive_what_need_not_lose_them(two: Two) -> None:
    await two.run(0, PAIRS["types of both ends of a foreign key, under views and triggers"][0])
    await two.run(1, PAIRS["types of both ends of a foreign key, under views and triggers"][1])
    repair = repair_between(await two.catalog(0), await two.catalog(1), database=two.names[0])
    await two.run(0, script(repair, "there"))
    url = two.shop.url(database=two.names[0])
    assert [tuple(row) for row in await two.shop.run("SELECT id, t FROM a JOIN b ON id = a_id", url)] == [(1, 1)]


async def test_what_is_lost_is_said_and_what_cannot_be_written_too(two: Two) -> None:
    await two.run(0, "CREATE TABLE t (id integer, note text); CREATE TABLE gone (id integer)")
    await two.run(1, "CREATE TABLE t (id integer) PARTITION BY RANGE (id)")
    repair = repair_between(await two.catalog(0), await two.catalog(1))
    assert set(repair.destroys) == {"the values of t.note", "the table gone with its rows"}
    assert [(entry.kind, entry.name) for entry in repair.by_hand] == [("table", "t")]
    assert "-- Left to be done by hand: table t" in script(repair, "there")


async def test_indexes_are_built_without_locking_when_asked(two: Two) -> None:
    await two.run(0, "CREATE TABLE t (id integer); CREATE INDEX old ON t (id)")
    await two.run(1, "CREATE TABLE t (id integer); CREATE INDEX new ON t (id)")
    repair: Repair = repair_between(await two.catalog(0), await two.catalog(1), concurrently=True)
    assert {statement.sql.partition(" ON ")[0] for statement in repair.statements} == {
        "DROP INDEX CONCURRENTLY public.old",
        "CREATE INDEX CONCURRENTLY new",
    }
    assert "BEGIN" not in script(repair, "there")


async def test_between_equal_catalogs_there_is_nothing(two: Two) -> None:
    await two.run(0, "CREATE TABLE t (id integer PRIMARY KEY)")
    catalog = await two.catalog(0)
    assert statements_between(catalog, catalog) == []
