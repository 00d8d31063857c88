"""The services installed in this environment, found by entry point: none is imported by name."""

from importlib.metadata import entry_points

import typer

from orion_core.service import ENTRY_POINT_GROUP, Service


def service_names() -> list[str]:
    """Names of the installed services, without importing any of them."""
    return sorted(entry_points(group=ENTRY_POINT_GROUP).names)


def find_service(name: str) -> Service:
    """The service of that name; a usage error that lists the installed ones when there is none."""
    found = entry_points(group=ENTRY_POINT_GROUP, name=name)
    if not found:
        installed = ", ".join(service_names()) or "none"
        raise typer.BadParameter(f"There is no service {name!r}. Installed: {installed}.")
    service: Service = next(iter(found)).load()
    return service
