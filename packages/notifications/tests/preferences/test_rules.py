"""What a user's switches let through."""

from hypothesis import given
from hypothesis import strategies as st

from orion_notifications.kinds import Category, Channel
from orion_notifications.preferences.rules import ALWAYS_ON, Contact, wants

channels = st.sampled_from(Channel)
overrides = st.dictionaries(
    st.sampled_from([each.name for each in Category]),
    st.dictionaries(st.sampled_from([each.name for each in Channel]), st.booleans()),
)


@given(st.sampled_from(sorted(ALWAYS_ON, key=str)), channels, st.frozensets(channels), overrides)
def test_nobody_switches_off_what_protects_them(
    category: Category, channel: Channel, off: frozenset[Channel], overridden: dict[str, dict[str, bool]]
) -> None:
    assert wants(Contact(switched_off=off, overrides=overridden), category, channel)


@given(st.sampled_from([each for each in Category if each not in ALWAYS_ON]), channels, st.booleans(), st.booleans())
def test_a_categorys_switch_goes_before_the_channels(
    category: Category, channel: Channel, is_off: bool, is_wanted: bool
) -> None:
    off = frozenset({channel}) if is_off else frozenset[Channel]()
    assert wants(Contact(switched_off=off), category, channel) is not is_off
    contact = Contact(switched_off=off, overrides={category.name: {channel.name: is_wanted}})
    assert wants(contact, category, channel) is is_wanted
