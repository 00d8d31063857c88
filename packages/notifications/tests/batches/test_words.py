"""Batches whose words no template says."""

from typing import TYPE_CHECKING, Any

import pytest
from packages.notifications.tests.batches.test_batches import NDJSON, PATH, SCOPES, WANTED, become

if TYPE_CHECKING:
    from packages.notifications.tests.batches.conftest import Steps
    from packages.notifications.tests.conftest import AuthFeed, Callers, Query

WORDS: dict[str, Any] = {
    "name": "Closing time",
    "channel": "EMAIL",
    "content": {"subject": "We close at 5", "text": "Today we close at 5. {{ name }} costs 1 €."},
    "category": "SYSTEM",
}


async def test_words_reach_all_as_they_are(caller: "Callers", auth: "AuthFeed", query: "Query", steps: "Steps") -> None:
    ada = await auth.register(locale="de")
    people = f'{{"user_id": "{ada}"}}\n{{"email": "eve@example.com", "locale": "fr"}}'
    async with caller(SCOPES) as http:
        made = await http.post(PATH, json=WORDS)
        assert made.status_code == 201, made.text
        assert (made.json()["template_id"], made.json()["category"]) == (None, "SYSTEM")
        path = made.headers["Location"].removeprefix("/notifications/v1")
        faulty = '{"email": "a@example.com", "variables": {"name": "Ada"}}'
        refused = await http.put(f"{path}/recipients", content=faulty, headers=NDJSON)
        assert refused.json()["errors"][0]["detail"] == "variables: missing or unknown: name"
        assert (await http.put(f"{path}/recipients", content=people, headers=NDJSON)).json()["added"] == 2
        await become(http, path, "RUNNING")
        await steps(2)
        assert (await http.get(path)).json()["fed_count"] == 2
    sent = """
        SELECT recipient, locale, subject, content, category::text, template_id
        FROM notifications WHERE batch_id IS NOT NULL ORDER BY recipient
    """
    alike = ("We close at 5", WORDS["content"]["text"], "SYSTEM", None)
    assert await query(sent) == [("ada@example.com", "de", *alike), ("eve@example.com", "fr", *alike)]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"template": WANTED["template"]}, ""),
        ({"content": None}, ""),
        ({"category": None}, ""),
        ({"content": {"text": ""}}, "/content/text"),
        ({"content": {"text": "x", "subject": "a\r\nBcc: b@example.com"}}, "/content/subject"),
        ({"variables": {"name": "Ada"}}, "/variables"),
        ({"channel": "SLACK", "audience": {"tag": "beta"}}, "/channel"),
    ],
)
async def test_words_come_by_themselves(caller: "Callers", query: "Query", change: dict[str, Any], field: str) -> None:
    async with caller(SCOPES) as http:
        refused = await http.post(PATH, json=WORDS | change)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, field)
    assert await query("SELECT count(*) FROM notification_batches") == [(0,)]


async def test_a_chat_is_told_once_not_once_for_each_user(caller: "Callers", query: "Query") -> None:
    async with caller(SCOPES) as http:
        made = await http.post(PATH, json=WORDS | {"channel": "SLACK"})
        path = made.headers["Location"].removeprefix("/notifications/v1")
        body = f'{{"user_id": "{made.json()["id"]}"}}\n{{"address": "C123"}}'
        refused = await http.put(f"{path}/recipients", content=body, headers=NDJSON)
        assert [each["field"] for each in refused.json()["errors"]] == ["/1"]
        sent = await http.put(f"{path}/recipients", content=body.partition("\n")[2], headers=NDJSON)
        assert sent.json()["added"] == 1
    assert await query("SELECT recipient FROM batch_recipients") == [("C123",)]
