# Orion's own interpreter, wherever the runner was started from.
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
PYTHONPATH="$here/.." exec "$here/../../.venv/bin/python" "$here/orion_driver.py" "$@"
