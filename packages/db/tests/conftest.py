"""A small service to migrate, in a database of its own on the run's server."""

import secrets
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import asyncpg
import pytest
from packages.db.tests.revisions import PARTS, revision
from sqlalchemy import Column, DateTime, Integer, MetaData, String, Table, Uuid, func, make_url
from sqlalchemy.ext.asyncio import AsyncConnection

import orion_db
from orion_core.seeds import Profile, SeedReport
from orion_core.service import Service
from orion_core.tables import service_metadata
from orion_db.roles import quoted

FIRST = '''
"""Goods."""
from alembic import op

phase = "pre"


def upgrade() -> None:
    op.execute("CREATE TYPE color AS ENUM ('RED', 'GREEN')")
    op.execute("CREATE TABLE goods (id integer CONSTRAINT pk_goods PRIMARY KEY, name varchar(40), color color)")
    op.execute("GRANT SELECT, INSERT ON goods TO orion_shop_service")


def downgrade() -> None:
    op.execute("DROP TABLE goods")
    op.execute("DROP TYPE color")
'''

SECOND = '''
"""Prices."""
from alembic import op

phase = "pre"


def upgrade() -> None:
    op.execute("CREATE TABLE prices (goods_id integer PRIMARY KEY REFERENCES goods ON DELETE CASCADE)")


def downgrade() -> None:
    op.execute("DROP TABLE prices")
'''


class Shop:
    """The service, its files, and a database that only one test uses.

    Roles belong to the whole server: a test that changes them names its service otherwise than the tests beside it.
    """

    def __init__(self, folder: Path, admin_url: str, name: str = "shop") -> None:
        self.folder = folder
        self.name = name
        self.database = f"shop_{secrets.token_hex(4)}"
        self.admin_url = admin_url
        self.metadata = MetaData()
        self.write("0001_goods", FIRST)
        self.write("0002_prices", SECOND)

    def write(self, name: str, content: str) -> Path:
        self.folder.mkdir(exist_ok=True)
        file = self.folder / f"{name}.py"
        file.write_text(content.lstrip().replace("orion_shop_", f"orion_{self.name}_"), encoding="utf-8")
        return file

    def empty(self) -> None:
        for file in self.folder.glob("*.py"):
            file.unlink()

    def url(self, login: str = "", password: str = "", database: str = "") -> str:
        url = make_url(self.admin_url).set(database=database or self.database)
        if login:
            url = url.set(username=login, password=password)
        return url.render_as_string(hide_password=False)

    @property
    def service(self) -> Service:
        return Service(
            name=self.name,
            title="Shop",
            database=f"orion_{self.name}",
            url_variable="SHOP_DATABASE_URL",
            port=7199,
            metadata=self.metadata,
            migrations=self.folder,
            seed=_seed,
            package=self.folder.parent,
            application="shop.app:create_app",
            settings="",
        )

    @property
    def target(self) -> orion_db.Target:
        return orion_db.Target(self.service, url=self.url(f"{self.name}_login", "its-secret"), owner_url=self.url())

    async def run(self, statement: str, url: str = "") -> list[asyncpg.Record]:
        """One statement, by default as the server's superuser in the shop's database."""
        connection = await asyncpg.connect(url or self.url())
        try:
            return await connection.fetch(statement)
        finally:
            await connection.close()

    async def script(self, text: str) -> None:
        """Several statements in one go, as the server's superuser."""
        connection = await asyncpg.connect(self.url())
        try:
            await connection.execute(text)
        finally:
            await connection.close()

    async def drop(self) -> None:
        connection = await asyncpg.connect(self.admin_url)
        await connection.execute(f"DROP DATABASE IF EXISTS {quoted(self.database)} WITH (FORCE)")
        await connection.close()


async def _seed(connection: AsyncConnection, profile: Profile) -> SeedReport:
    report = SeedReport()
    goods = Table("goods", MetaData(), Column("id", Integer, primary_key=True), Column("name", String(40)))
    rows = [{"id": 1, "name": "apple"}] + ([{"id": 2, "name": "sample"}] if profile == "development" else [])
    await report.insert(connection, goods, rows)
    return report


@pytest.fixture
async def shop(tmp_path: Path, postgres_admin_url: str) -> AsyncGenerator[Shop]:
    """A service with two migrations; its database does not exist yet."""
    shop = Shop(tmp_path / "migrations", postgres_admin_url)
    yield shop
    await shop.drop()


@pytest.fixture
async def stall(tmp_path: Path, postgres_admin_url: str) -> AsyncGenerator[Shop]:
    """The same with roles of its own."""
    stall = Shop(tmp_path / "migrations", postgres_admin_url, "stall")
    yield stall
    await stall.drop()


@pytest.fixture
async def stocked(shop: Shop) -> Shop:
    """The shop with a partitioned table and a thousand goods."""
    shop.write("0003_parts", revision(*PARTS))
    await orion_db.prepare(shop.target)
    await orion_db.deploy(shop.target)
    await shop.run("INSERT INTO goods SELECT n, 'goods ' || n FROM generate_series(1, 1000) AS n")
    return shop


@pytest.fixture
def house() -> Callable[[], MetaData]:
    """Metadata of a service in the house's style, with one table more than the house has."""

    def make() -> MetaData:
        metadata = service_metadata("shop")
        Table(
            "visits",
            metadata,
            Column("id", Uuid, primary_key=True, server_default=func.uuidv7()),
            Column("place", String(40), nullable=False),
            *(
                Column(name, DateTime(timezone=True), nullable=False, server_default=func.now())
                for name in ("created_at", "updated_at")
            ),
            postgresql_partition_by="RANGE (id)",
            info={"grants": "SELECT, INSERT"},
        )
        return metadata

    return make
