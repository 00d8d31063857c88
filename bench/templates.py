"""How fast the seeded templates are rendered, alone: no database, no queue, other values for each message.

python bench/templates.py [--seconds 5] [--processes 2]
"""

import argparse
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from typing import Any

from orion_notifications.rendering import schemas
from orion_notifications.seeds.template_files import load_templates
from orion_notifications.templates.rules import compile_content, render


def _messages(seconds: float) -> dict[str, tuple[int, float]]:
    """Messages and seconds of the processor, by template."""
    result: dict[str, tuple[int, float]] = {}
    templates = load_templates()
    for template in templates:
        compiled = [(name, compile_content(asdict(content))) for name, content in template.locales.items()]
        values = schemas.sample(template.variables)
        for locale, each in compiled:
            render(each, values, locale=locale, timezone="Europe/Berlin")
        count, began = 0, time.process_time()
        until = began + seconds / len(templates)
        while time.process_time() < until:
            for locale, each in compiled:
                render(each, values | _others(values, count), locale=locale, timezone="Europe/Berlin")
                count += 1
        result[template.name] = count, time.process_time() - began
    return result


def _others(values: Mapping[str, Any], number: int) -> dict[str, Any]:
    """Values that are another's: a name, a code, a link, an address and a moment of each message's own."""
    moment = f"2026-11-{1 + number % 28:02}T{number % 24:02}:{number % 60:02}:{number % 59:02}.{number:06}+00:00"
    own = {
        "name": f"Ada {number}",
        "code": f"{number % 1_000_000:06}",
        "ip_address": f"10.{number % 250}.{number % 240}.{number % 230}",
        **dict.fromkeys(("requested_at", "occurred_at", "starts_at", "ends_at"), moment),
        **{name: f"https://orion.example/{number}" for name in values if name.endswith("_url")},
    }
    return {name: value for name, value in own.items() if name in values}


def main() -> int:
    """Do what the words say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    with ProcessPoolExecutor(arguments.processes) as pool:
        began = time.perf_counter()
        results = list(pool.map(_messages, [arguments.seconds] * arguments.processes))
        took = time.perf_counter() - began
    for name in sorted(results[0]):
        count = sum(result[name][0] for result in results)
        seconds = sum(result[name][1] for result in results)
        print(f"{name:34} {seconds / count * 1e6:7.0f} µs  {count / seconds:9,.0f}/s on one core")
    total = sum(count for result in results for count, _ in result.values())
    cpu = sum(seconds for result in results for _, seconds in result.values())
    kinds = len(results[0])
    average = sum(sum(r[n][1] for r in results) / sum(r[n][0] for r in results) for n in results[0]) / kinds
    print(f"all {kinds} in equal parts: {average * 1e6:.0f} µs a message, {1 / average:,.0f}/s on one core")
    print(f"{arguments.processes} processes: {total:,} messages in {took:.1f} s ({cpu:.1f} s of the processor)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
