# SPDX-License-Identifier: BSD-3-Clause
"""
Frames: the binary protocol as words, compiled to bytes and back.

    set key=a flags=5 exptime=60 value=hello      a request
    get ok flags=5 value=hello cas=7              an answer
    get not-found                                 an answer, with its text

Field values arrive here as bytes or numbers; escapes and variables are the
transcript's business.  README.md lists the fields.
"""

import struct

HEADER = struct.Struct(">BBHBBHIIQ")
HEADER_BYTES = 24
REQUEST = 0x80
ANSWER = 0x81

# An opaque nobody sends by accident: that it comes back is checked always.
OPAQUE = 0x6f706171
PROBE_OPAQUE = 0x70726f62

OPCODES = {
    "get": 0x00, "set": 0x01, "add": 0x02, "replace": 0x03, "delete": 0x04,
    "incr": 0x05, "decr": 0x06, "quit": 0x07, "flush": 0x08, "getq": 0x09,
    "noop": 0x0a, "version": 0x0b, "getk": 0x0c, "getkq": 0x0d,
    "append": 0x0e, "prepend": 0x0f, "stat": 0x10, "setq": 0x11,
    "addq": 0x12, "replaceq": 0x13, "deleteq": 0x14, "incrq": 0x15,
    "decrq": 0x16, "quitq": 0x17, "flushq": 0x18, "appendq": 0x19,
    "prependq": 0x1a, "verbosity": 0x1b, "touch": 0x1c, "gat": 0x1d,
    "gatq": 0x1e, "sasl-list": 0x20, "sasl-auth": 0x21, "sasl-step": 0x22,
    "gatk": 0x23, "gatkq": 0x24,
}
OPCODE_NAMES = {code: name for name, code in OPCODES.items()}

STATUSES = {
    "ok": (0x00, b""),
    "not-found": (0x01, b"Not found"),
    "exists": (0x02, b"Data exists for key."),
    "too-large": (0x03, b"Too large."),
    "invalid": (0x04, b"Invalid arguments"),
    "not-stored": (0x05, b"Not stored."),
    "non-numeric": (0x06,
                    b"Non-numeric server-side value for incr or decr"),
    "auth-error": (0x20, b"Auth failure."),
    "auth-continue": (0x21, b""),
    "unknown": (0x81, b"Unknown command"),
    "no-memory": (0x82, b"Out of memory"),
}
STATUS_NAMES = {code: name for name, (code, _) in STATUSES.items()}

# Bytes of each named part of the extras, and which opcodes carry it.
EXTRA_BYTES = {"flags": 4, "exptime": 4, "delta": 8, "initial": 8}
STORE_EXTRAS = ("flags", "exptime")
COUNT_EXTRAS = ("delta", "initial", "exptime")
TOUCH_EXTRAS = ("exptime",)
REQUEST_EXTRAS = {
    **dict.fromkeys(("set", "setq", "add", "addq", "replace", "replaceq"),
                    STORE_EXTRAS),
    **dict.fromkeys(("incr", "incrq", "decr", "decrq"), COUNT_EXTRAS),
    **dict.fromkeys(("touch", "gat", "gatq", "gatk", "gatkq"), TOUCH_EXTRAS),
}
ANSWERS_WITH_FLAGS = {"get", "getq", "getk", "getkq", "touch", "gat",
                      "gatq", "gatk", "gatkq"}
EXTRA_DEFAULTS = {"flags": 0, "exptime": 0, "delta": 1, "initial": 0}

TEXT_FIELDS = {"key", "value", "extras"}
NUMBER_FIELDS = {"flags", "exptime", "delta", "initial", "cas", "opaque",
                 "number", "magic", "datatype", "vbucket", "keylen",
                 "extlen", "bodylen"}
FIELDS = TEXT_FIELDS | NUMBER_FIELDS


def opcode(word):
    """The number for a name or for 0xNN."""
    return OPCODES[word] if word in OPCODES else int(word, 16)


def request(word, fields):
    """The bytes of a request."""
    layout = REQUEST_EXTRAS.get(word, ())
    if word in ("flush", "flushq") and "exptime" in fields:
        layout = TOUCH_EXTRAS
    return _frame(word, dict(fields), layout, REQUEST,
                  fields.get("vbucket", 0))


def answer(word, status, fields):
    """The bytes of an answer; a failure's text is implied."""
    code, text = STATUSES[status]
    fields = dict(fields)
    fields.setdefault("value", text)
    layout = ()
    if status == "ok" and word in ANSWERS_WITH_FLAGS:
        layout = ("flags",)
    if "number" in fields:
        fields["value"] = fields["number"].to_bytes(8, "big")
    return _frame(word, fields, layout, ANSWER, code)


def probe():
    """A request whose answer shows that nothing else was sent."""
    return request("noop", {"opaque": PROBE_OPAQUE})


def probe_answer():
    return answer("noop", "ok", {"opaque": PROBE_OPAQUE})


def body_length(header):
    return HEADER.unpack(header)[6]


def cas_of(frame):
    return HEADER.unpack(frame[:HEADER_BYTES])[8]


def with_cas(frame, cas):
    """The same frame with another cas: how an answer is compared."""
    return frame[:16] + struct.pack(">Q", cas) + frame[HEADER_BYTES:]


def stat_row(frame):
    """(name, value) of a stat answer; name is empty in the last one."""
    _, _, key_bytes, extra_bytes = HEADER.unpack(frame[:HEADER_BYTES])[:4]
    body = frame[HEADER_BYTES + extra_bytes:]
    return body[:key_bytes], body[key_bytes:]


def describe(frame):
    """A frame in this module's words, for diagnostics."""
    (magic, code, key_bytes, extra_bytes, datatype, status, body_bytes,
     opaque, cas) = HEADER.unpack(frame[:HEADER_BYTES])
    body = frame[HEADER_BYTES:]
    key_end = extra_bytes + key_bytes
    words = [OPCODE_NAMES.get(code, hex(code)),
             STATUS_NAMES.get(status, f"status={status:#x}")]
    if magic != ANSWER:
        words.append(f"magic={magic:#x}")
    if extra_bytes:
        words.append(f"extras={body[:extra_bytes].hex()}")
    if key_bytes:
        words.append(f"key={body[extra_bytes:key_end]!r}")
    if len(body) > key_end:
        words.append(f"value={shorten(body[key_end:])}")
    if datatype:
        words.append(f"datatype={datatype}")
    if len(body) != body_bytes:
        words.append(f"bodylen={body_bytes} (got {len(body)})")
    return " ".join(words + [f"opaque={opaque:#x}", f"cas={cas}"])


def shorten(data, bytes_max=200):
    """Bytes for a reader; the middle of a long run is left out."""
    if len(data) <= bytes_max:
        return repr(bytes(data))
    half = bytes_max // 2
    return (f"{bytes(data[:half])!r} ... {len(data)} bytes ... "
            f"{bytes(data[-half:])!r}")


def _frame(word, fields, layout, magic, status):
    """`status` is the vbucket in a request."""
    extras = fields.get("extras")
    if extras is None:
        extras = b"".join(
            fields.get(name, EXTRA_DEFAULTS[name]).to_bytes(
                EXTRA_BYTES[name], "big") for name in layout)
    key, value = fields.get("key", b""), fields.get("value", b"")
    body = extras + key + value
    return HEADER.pack(
        fields.get("magic", magic), opcode(word),
        fields.get("keylen", len(key)), fields.get("extlen", len(extras)),
        fields.get("datatype", 0), status,
        fields.get("bodylen", len(body)), fields.get("opaque", OPAQUE),
        fields.get("cas", 0)) + body
