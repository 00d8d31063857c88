# A driver of Orion's, by its name, in Orion's own interpreter, wherever the runner was started from.
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
driver=$1
shift
PYTHONPATH="$here/.." exec "$here/../../.venv/bin/python" "$here/$driver.py" "$@"
