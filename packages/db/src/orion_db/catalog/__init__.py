"""What a database is made of, read from PostgreSQL's catalogs, and how two of them differ."""

from orion_db.catalog.compare import Difference, compare
from orion_db.catalog.read import Catalog, Key, read_catalog

__all__ = ["Catalog", "Difference", "Key", "compare", "read_catalog"]
