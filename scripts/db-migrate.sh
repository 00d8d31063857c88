#!/bin/sh
# The databases of Orion: scripts/db-migrate.sh [all|notifications|user|auth] [init|migrate|rebase|test|lint|plan|deploy|resolve|rollback|status|drift|diff|pull|generate|seed|reset|backup|restore|mark|doctor|maintain|prune|explain|size|stats|top|studio] [options]
# A thin wrapper over `orion db ACTION SERVICE`, from whatever directory it is called.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
orion="$root/.venv/bin/orion"

usage() {
    echo "Usage: $0 [all|notifications|user|auth] [init|migrate|rebase|test|lint|plan|deploy|resolve|rollback|status|drift|diff|pull|generate|seed|reset|backup|restore|mark|doctor|maintain|prune|explain|size|stats|top|studio] [options]" >&2
    echo "       $0 all init        creates, migrates and seeds all databases" >&2
    exit 3
}

[ $# -ge 2 ] || usage
service=$1
action=$2
shift 2

case $service in
    all | notifications | user | auth) ;;
    *) echo "There is no service '$service'." >&2; usage ;;
esac
case $action in
    init | migrate | rebase | test | lint | plan | deploy | resolve | rollback | status | drift | diff | pull | generate | seed | reset | backup | restore | mark | doctor | maintain | prune | explain | size | stats | top | studio) ;;
    *) echo "There is no action '$action'." >&2; usage ;;
esac

if [ ! -x "$orion" ]; then
    echo "Orion is not installed in $root/.venv yet. Run: make -C '$root' setup" >&2
    exit 3
fi
exec "$orion" db "$action" "$service" "$@"
