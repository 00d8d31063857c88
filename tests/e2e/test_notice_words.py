"""What auth tells owners of, notifications has words for, in every language."""

import pytest

from orion_auth.security_events.rules import CATALOG
from orion_notifications.seeds.template_files import load_templates
from orion_notifications.templates.rules import compile_content

[NOTICE] = [template for template in load_templates() if template.name == "security_notice"]
TOLD = sorted(kind.type for kind in CATALOG.values() if kind.is_notified)


@pytest.mark.parametrize("locale", NOTICE.locales)
def test_every_kind_that_is_told_has_a_heading_of_its_own(locale: str) -> None:
    content = NOTICE.locales[locale]
    subject = compile_content({"subject": content.subject, "text": "", "html": None}).subject

    def heading(notice: str) -> str:
        return subject.render(notice=notice, product_name="Orion")

    general = heading("something.unheard_of")
    assert [kind for kind in TOLD if heading(kind) == general] == []
