"""Near names: what somebody meant who wrote a word that is not known."""

import re
from collections.abc import Collection, Iterable
from typing import Final

from rapidfuzz.distance import OSA

# How people call things that are called otherwise here. It comes before edit distance, which knows no meaning; the
# first word on the right that is known at that place is taken.
_ALIASES: Final[dict[str, str]] = {
    # a channel's keys
    "name": "channel",
    "id": "channel",
    "desc": "description",
    "summary": "description",
    "comment": "description",
    "notes": "description",
    "hospital": "site",
    "clinic": "site",
    "contact": "owner",
    "active": "enabled",
    "disabled": "enabled",
    "input": "source",
    "inputs": "source",
    "sources": "source",
    "listener": "source",
    "reader": "source",
    "filters": "filter",
    "where": "keep_when",
    "keep": "keep_when",
    "keep_if": "keep_when",
    "conditions": "keep_when",
    "accept_when": "keep_when",
    "rules": "keep_when",
    "transforms": "transform",
    "transformer": "transform",
    "transformers": "transform",
    "steps": "transform",
    "pipeline": "transform",
    "processors": "transform",
    "destination": "destinations",
    "dest": "destinations",
    "sink": "destinations",
    "sinks": "destinations",
    "output": "destinations",
    "outputs": "destinations",
    "target": "destinations",
    "targets": "destinations",
    "on_error": "when_it_fails",
    "on_failure": "when_it_fails",
    "error": "when_it_fails",
    "errors": "when_it_fails",
    "error_handling": "when_it_fails",
    "dead_letter": "when_it_fails hold",
    "queue_size": "holds_up_to",
    "buffer": "holds_up_to",
    "wait": "wait_for_order",
    "priority": "lane",
    "order_wait": "wait_for_order",
    "max_queue": "holds_up_to",
    # around a destination
    "retries": "retry attempts",
    "max_retries": "attempts retry",
    "max_attempts": "attempts retry",
    "tries": "attempts",
    "initial_delay": "first_wait",
    "delay": "first_wait",
    "backoff": "first_wait retry",
    "initial_backoff": "first_wait",
    "max_delay": "longest_wait",
    "max_backoff": "longest_wait",
    "max_wait": "longest_wait",
    "breaker": "circuit_breaker",
    "stop_calling_after": "circuit_breaker",
    "threshold": "failures",
    "failure_threshold": "failures",
    "max_failures": "failures",
    "reset_timeout": "try_again_in",
    "cooldown": "try_again_in",
    "concurrency": "at_once max_connections connections",
    "workers": "at_once",
    "threads": "at_once",
    "parallel": "at_once",
    "max_in_flight": "at_once",
    "ordered": "in_order",
    "keep_order": "in_order",
    "order": "in_order order_by",
    # plugins' settings
    "kind": "type",
    "plugin": "type",
    "connector": "type",
    "timeout": "idle_timeout wait_for_ack receive_within connect_within try_again_in",
    "ack_timeout": "wait_for_ack",
    "connect_timeout": "connect_within",
    "read_timeout": "receive_within",
    "time_zone": "timezone",
    "tz": "timezone",
    "zone": "timezone",
    "url": "base_url base host",
    "endpoint": "url base base_url host",
    "server": "host base url",
    "address": "host url",
    "ip": "host",
    "hostname": "host",
    "interface": "host",
    "bind": "host",
    "listen": "host port",
    "listen_port": "port",
    "tcp_port": "port",
    "dir": "folder",
    "directory": "folder",
    "path": "folder field",
    "glob": "pattern",
    "files": "pattern file_reader file_writer",
    "mask": "pattern",
    "interval": "every",
    "poll": "every",
    "poll_interval": "every",
    "frequency": "every",
    "schedule": "every",
    "ssl": "tls",
    "cert": "certificate",
    "token": "bearer refresh_token",
    "username": "user",
    "login": "user",
    "pass": "password",
    "pwd": "password",
    "auth": "sign_in",
    "authentication": "sign_in auth",
    "message_types": "accepts",
    "allow": "accepts",
    # conditions
    "equals": "is",
    "eq": "is",
    "value": "is",
    "not": "is_not",
    "not_equals": "is_not",
    "ne": "is_not",
    "one_of": "in",
    "any_of": "in",
    "values": "in",
    "none_of": "not_in",
    "not_one_of": "not_in",
    "table": "in_table",
    "lookup": "in_table",
    "range": "between",
    "regex": "matches",
    "like": "matches",
    "match": "matches",
    "present": "exists",
    "exist": "exists",
    "expr": "expression",
    "cel": "expression",
    "script": "expression",
    "vars": "with",
    "variables": "with",
    "column": "field",
    # types
    "mllp": "mllp_listener mllp_sender",
    "hl7": "mllp_listener mllp_sender hl7v2",
    "hl7_listener": "mllp_listener",
    "tcp": "mllp_listener mllp_sender",
    "tcp_listener": "mllp_listener",
    "tcp_sender": "mllp_sender",
    "http": "http_listener http_sender",
    "rest": "http_listener http_sender try_again_in",
    "webhook": "http_listener http_sender",
    "file": "file_reader file_writer",
    "fhir": "fhir_server records_to_fhir",
    "dexcom_poll": "dexcom",
    "vm": "channel",
    "channel_reader": "channel",
    "router": "channel",
    "reading": "records",
    "readings": "records",
    "oru": "oru_to_records records_to_oru",
    "to_fhir": "records_to_fhir",
    "to_records": "oru_to_records",
    "clarity": "clarity_csv_to_records",
    "dedup": "reconcile",
    "dedupe": "reconcile",
    "deduplicate": "reconcile",
    "mapper": "set_fields",
    "set": "set_fields",
    # choices
    "dlq": "hold",
    "park": "hold",
    "quarantine": "hold",
    "ignore": "skip",
    "discard": "skip drop",
    "drop": "skip",
    "readonly": "read-only",
    "none": "read-only",
    "both": "full",
    # routes.yaml
    "route": "routes",
    "links": "routes",
    "feeds": "routes",
    "channels": "routes",
    "hospitals": "sites",
    "writeback": "write_back",
    "capabilities": "can",
    "fallback": "cannot",
    "otherwise": "cannot",
    "via": "by",
    "using": "by",
    "through": "by",
}
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_LISTED: Final = 15


def suggest(word: str, known: Collection[str]) -> str | None:
    """The known word that was meant, or None if none is near enough to say so."""
    plain = _plain(word)
    by_plain = {_plain(name): name for name in reversed(list(known))}
    if plain in by_plain:
        return by_plain[plain]
    for candidate in _ALIASES.get(plain, "").split():
        if candidate in known:
            return candidate
    best = min(by_plain, key=lambda name: (OSA.distance(plain, name), name), default=None)
    if best is None or OSA.distance(plain, best) > _tolerance(plain):
        return None
    return by_plain[best]


def hint(word: str, known: Iterable[str]) -> str:
    """`did you mean ...?`, or the words there are."""
    names = list(dict.fromkeys(known))
    meant = suggest(word, names)
    return f"did you mean `{meant}`?" if meant else there_are(names)


def there_are(known: Iterable[str]) -> str:
    """`there are: a, b, c` in order of the alphabet, shortened where it would be long."""
    names = sorted(known)
    if not names:
        return "there are none"
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"there are: {', '.join(names[:_LISTED])}{more}"


def _plain(word: str) -> str:
    return _CAMEL.sub("_", word).lower().replace("-", "_").replace(" ", "_")


def _tolerance(word: str) -> int:
    """How many slips of the finger a word of this length may have."""
    return 0 if len(word) < 3 else 1 if len(word) < 6 else 2 if len(word) < 12 else 3
