"""Writes python-json.json: what Python 3 makes of payloads, and the signature of the gateway pattern over it.

    python3 src/signing/vectors/python_json.py > src/signing/vectors/python-json.json
"""

import hashlib
import hmac
import json
import math
import random
import struct
import sys

SECRET = "s3cret"


def sign_request(payload, secret):
    """The function of the gateway pattern, to the letter."""
    message = json.dumps(payload, sort_keys=True)
    return hmac.new(secret.encode(), message.encode(), hashlib.sha256).hexdigest()


BODIES = [
    "{}",
    "[]",
    '""',
    "null",
    '{"b":1,"a":2}',
    '{ "nested": {"z": [1, {"y": null, "x": [true, false]}], "a": {}}, "A": "\\u0041" }',
    # Sorted by code point: U+FF5E before U+1F600, although its UTF-16 unit is greater.
    '{"\U0001f600":1,"\uff5e":2,"z":3,"\u00e9":4,"":5}',
    '{"\\ud83d\\ude00":1,"\\ue000":2,"\\ud800":3,"a\\ud800":4,"a\\udfff":5,"a\\uffff":6}',
    '"\\u0000\\b\\t\\n\\f\\r\\u001f \\"\\\\\\/~\\u007f\\u0080\\u2028\U0001f600\\ud800"',
    "[0,-0,1,-1,18446744073709551616,-123456789012345678901234567890]",
    "[0.0,-0.0,1.0,-1.5,1e5,1E5,1e+5,1e-5,0.1,100.0,123456789.123]",
    "[1e15,1e16,1e17,123456789012345680.0,9007199254740993.0,1e21,1e22,1e100]",
    "[0.0001,0.00001,0.00012345,1e-7,5e-324,2.2250738585072014e-308,1.7976931348623157e308]",
    "[1e400,-1e400,1e-400,-1e-400]",
    "[0.30000000000000004,2.675,1.005,4.35,1234567890123456.7]",
    '{"jsonrpc":"2.0","id":"c1","method":"tools/call","params":{"name":"query","arguments":{"sql":"SELECT \u2019x\u2019"}}}',
]


def random_floats(count):
    source = random.Random(9421)
    found = []
    while len(found) < count:
        (value,) = struct.unpack("<d", source.getrandbits(64).to_bytes(8, "little"))
        if math.isfinite(value):
            found.append(value)
    return found


BODIES.append(json.dumps(random_floats(300)))

vectors = []
for body in BODIES:
    payload = json.loads(body)
    text = json.dumps(payload, sort_keys=True)
    vectors.append({"body": body, "text": text, "signature": sign_request(payload, SECRET)})

json.dump({"python": sys.version.split()[0], "secret": SECRET, "vectors": vectors}, sys.stdout, indent=1)
print()
