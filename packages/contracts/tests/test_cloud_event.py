"""The envelope keeps to CloudEvents' JSON format."""

import json
from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from orion_contracts.cloud_event import CloudEvent

ID = UUID("01890000-0000-7000-8000-000000000001")


@given(st.integers(min_value=1, max_value=2**63 - 1), st.dictionaries(st.text(max_size=5), st.integers() | st.none()))
def test_wire_form_reads_back_equal(position: int, data: dict[str, int | None]) -> None:
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    event = CloudEvent(id=ID, source="orion-auth", type="t.v1", subject="s", time=moment, position=position, data=data)
    wire = event.model_dump_json(exclude_none=True)
    assert CloudEvent.model_validate_json(wire) == event
    assert json.loads(wire)["position"] == str(position)
    assert "traceparent" not in json.loads(wire)
