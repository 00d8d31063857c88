"""What a condition may say, what it comes to, and what it can cost at most."""

from contextlib import suppress
from datetime import UTC, datetime
from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orion_core.conditions.condition import (
    LARGEST,
    LONGEST,
    Facts,
    Outcome,
    check_attributes,
    compile_condition,
    refuse_invalid,
)
from orion_core.conditions.grammar import InvalidConditionError
from orion_core.errors import Problem

FACTS = Facts(
    time=datetime(2026, 11, 26, 23, 30, tzinfo=UTC),
    subject={"level": 4, "name": "x" * LONGEST},
    resource={"tags": ["draft", "news"], "owner": {"id": "u1"}},
    context={"numbers": list(range(LARGEST))},
    network={"address": "10.1.2.3"},
)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("subject.level >= 3", True),
        ("subject.level >= 3 && resource.owner.id == 'somebody else'", False),
        ("'draft' in resource.tags", True),
        ("resource.tags.exists(tag, tag == 'news') && context.numbers.all(n, n >= 0)", True),
        ("time > timestamp('2026-01-01T00:00:00Z')", True),
        ("local(time, 'Asia/Tokyo').getHours() == 8", True),
        ("in_network(network.address, '10.0.0.0/8') && !in_network(network.address, 'fd00::/8')", True),
        ("has(subject.rank) && subject.rank > 3", False),
        ("subject.name.matches('^x+$') // only these letters", True),
    ],
)
def test_what_holds(text: str, holds: bool) -> None:
    assert compile_condition(text).decide(FACTS) == Outcome(holds)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("subject.rank > 3", "nothing is known of rank"),
        ("subject.level", "it gives int, neither true nor false"),
        ("1 / 0 == 1", "division by zero"),
        ("in_network(network.address, 'nowhere')", "does not appear to be an IPv4 or IPv6 network"),
        ("local(time, '../../etc/passwd').getHours() == 8", ""),
        ("subject.level == 'high' || subject.level + 'x' == 'y'", ""),
    ],
)
def test_what_fails_holds_neither_way_and_says_why(text: str, fault: str) -> None:
    outcome = compile_condition(text).decide(FACTS)
    assert outcome.holds is None
    assert fault in str(outcome.fault)


@pytest.mark.parametrize(
    ("text", "code", "column"),
    [
        ("subject.level >", "invalid_condition", 16),
        ("a b", "invalid_condition", 3),
        ("  ", "invalid_condition", 1),
        ("'" + "x" * 2000 + "'", "invalid_condition", 1),
        ("true && user.name == 'x'", "unknown_variable", 9),
        ("subject.level > now()", "unknown_function", 17),
        ("type(1) == int", "unknown_function", 1),
        ("subject.name.matches('(')", "invalid_condition", 22),
        ("context.n.all(x, context.n.all(y, x == y))", "condition_too_dear", 28),
        # A raw text ends at the first quote, so what follows it here is no text.
        (
            r'''r"\" != "x" && context.n.all(subject, context.n.all(time, subject == time)) && "y" != "z"''',
            "condition_too_dear",
            49,
        ),
        ("context.n.existsOne(x, context.n.existsOne(y, x == y))", "unknown_function", 11),
        ("context.n.map(x, x) == []", "condition_too_dear", 11),
        ("context.n.filter(x, true) == []", "condition_too_dear", 11),
        ("context.n.all(x, x.matches('a'))", "condition_too_dear", 20),
        ("subject.name.matches(context.pattern)", "condition_too_dear", 22),
        ("subject.name.matches('(x{99}){99}')", "condition_too_dear", 22),
        ("1" + " + 1" * 200 + " == 1", "condition_too_dear", 601),
        ("1" + " + 1" * 11 + " == 12", "condition_too_dear", 43),
    ],
)
def test_what_is_refused_and_where(text: str, code: str, column: int) -> None:
    with pytest.raises(InvalidConditionError) as refused:
        compile_condition(text)
    assert (refused.value.code, refused.value.line, refused.value.column) == (code, 1, column)


def test_a_route_refuses_it_with_field_and_place() -> None:
    refuse_invalid("subject.level > 3", "/condition")
    with pytest.raises(Problem) as refused:
        refuse_invalid("true &&\n subject.", "/condition")
    assert refused.value.status == 422
    assert refused.value.errors[0].field == "/condition"
    assert "Line 2, column 10" in refused.value.errors[0].detail


@given(st.text(max_size=60) | st.text(alphabet="subject.time()[]{}&&||!'\"\\ ,x0123+-/?:all\n", max_size=120))
def test_whatever_is_written_is_a_condition_or_refused(text: str) -> None:
    with suppress(InvalidConditionError):
        condition = compile_condition(text)
        condition.decide(FACTS)
        condition.values(FACTS)


@pytest.mark.parametrize(
    "text",
    [
        " && ".join(["subject.name.matches('" + r"(\\w|\\W|x)*" * 15 + "y|x')"] * 3),
        "context.numbers.all(n, size(" + "+".join(["subject.name"] * 11) + ") > 0)",
        "context.numbers.all(n, " + " && ".join(["in_network('ff00::1', 'ff00::/8')"] * 30) + ")",
        "context.numbers.all(n, " + " && ".join(["(context.numbers == resource.tags || true)"] * 18) + ")",
        "({0}).all(n, ({0}) != [])".format("+".join(["context.numbers"] * 6)),
        "true" + " && context.numbers.all(n, n >= 0)" * 16,
    ],
)
def test_the_dearest_that_can_be_written_is_done_in_a_moment(text: str) -> None:
    condition = compile_condition(text)
    before = process_time()
    assert condition.decide(FACTS).holds is True
    assert process_time() - before < 1  # tens of milliseconds; what is refused took seconds


def test_what_was_looked_at_can_be_told() -> None:
    condition = compile_condition("subject.level > 3 || resource.owner.id.startsWith('u') || has(subject.rank)")
    assert condition.paths == ("subject.level", "resource.owner.id", "subject.rank")
    assert condition.values(FACTS) == {"subject.level": 4, "resource.owner.id": "u1"}


@pytest.mark.parametrize(
    "attributes",
    [
        {"text": "x" * (LONGEST + 1)},
        {"list": list(range(201))},
        {str(number): [0] * 100 for number in range(21)},
        {"number": 2**63},
    ],
)
def test_what_cannot_be_looked_through_in_bounded_time(attributes: Any) -> None:
    with pytest.raises(ValueError, match="must have"):
        check_attributes(attributes)


def test_attributes_of_the_usual_size_are_taken() -> None:
    check_attributes({"list": list(range(LARGEST)), "deep": {"text": "x" * LONGEST, "none": None, "yes": True}})
