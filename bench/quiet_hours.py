"""Quiet hours around every change of the clock of every IANA zone in 50 years, by two implementations. Prints JSON.

The one is what the service decides by, the other is made of pytz's tables (packages/notifications/tests/quiet_hours).
For each change of 1987 to 2036 windows are made at random, many of them so that they begin or end in the change, and
for moments around it both say when it is not quiet any more. A difference is printed, and so is a moment that would be
held up again when it has waited.

    python bench/quiet_hours.py [moments for each change]
"""

import json
import sys
import time
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from packages.notifications.tests.quiet_hours.cases import FIRST, LAST, disagreements, every_zone
from packages.notifications.tests.quiet_hours.oracle import transitions


def main() -> None:
    """Ask both, and print what came of it."""
    moments = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    random, began = Random(1), time.monotonic()
    zones = every_zone()
    changes = {zone: len(transitions(zone, FIRST, LAST)) or 1 for zone in zones}
    found = [each for zone in zones for each in disagreements(zone, random, changes=10_000, moments=moments)]
    told = {
        "zones": len(zones),
        "changes": sum(changes.values()),
        "moments": sum(changes.values()) * moments,
        "differences": len(found),
        "first": found[:5],
        "seconds": round(time.monotonic() - began, 1),
    }
    sys.stdout.write(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
