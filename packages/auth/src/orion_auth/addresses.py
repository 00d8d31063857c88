"""E-mail addresses and phone numbers in the one form in which auth keeps and compares them."""

import re

import email_validator
import phonenumbers

# Whether a domain can receive mail is a policy, not syntax: `.local` and `.test` are right on a developer's machine and
# in a closed network. The library offers this list to be changed.
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()


_PLAIN = re.compile(
    r"(?!.{65,}@)(?=.{3,254}\Z)[a-z0-9]+(?:[._+-][a-z0-9]+)*@(?:(?![^.]{64})[a-z0-9]+(?:-[a-z0-9]+)*\.)+[a-z]{2,63}\Z"
)
"""Addresses that are in the one form already, as nearly all are: the library takes thirty times as long to say so."""


def normalise_email(text: str) -> str | None:
    """The address in lower case with its domain in ASCII (RFC 5890 A-labels), or None when it is none.

    Only ASCII is taken before the @: an address written with look-alike letters would be somebody else's, and
    in the ASCII form of the domain they show. Local parts are compared without case, as every large provider does.
    """
    if _PLAIN.match(text):
        return text
    try:
        validated = email_validator.validate_email(text.strip(), check_deliverability=False, allow_smtputf8=False)
    except email_validator.EmailNotValidError:
        return None
    return validated.ascii_email.lower() if validated.ascii_email and len(validated.ascii_email) <= 255 else None


def normalise_phone(text: str) -> str | None:
    """The number in E.164 (`+4791234567`), or None when nobody can have it, or calling it costs extra."""
    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException:
        return None
    costly = (phonenumbers.PhoneNumberType.PREMIUM_RATE, phonenumbers.PhoneNumberType.SHARED_COST)
    if not phonenumbers.is_valid_number(number) or phonenumbers.number_type(number) in costly:
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def country_calling_code(phone: str) -> str:
    """The country calling code of a number in E.164, such as `+47`."""
    return f"+{phonenumbers.parse(phone, None).country_code}"
