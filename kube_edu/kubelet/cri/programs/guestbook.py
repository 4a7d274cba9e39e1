"""The stand-in for the guestbook's frontend: GET /?cmd=set&key=K&value=V writes to the service
redis-leader, GET /?cmd=get&key=K reads from redis-follower."""

from __future__ import annotations

import json
import urllib.parse

from kv import request  # type: ignore[import-not-found]
from tinyhttp import Answer, Call, serve  # type: ignore[import-not-found]


def answer(call: Call) -> Answer:
    parameters = dict(urllib.parse.parse_qsl(call.path.partition("?")[2]))
    key = parameters.get("key", "messages")
    if parameters.get("cmd") == "set":
        value = parameters.get("value", "")
        request("redis-leader", 6379, ["SET", key, value])
        return 200, "application/json", b'{"message": "Updated"}'
    found = request("redis-follower", 6379, ["GET", key]) or b""
    return 200, "application/json", json.dumps({"data": found.decode()}).encode()


serve(80, answer, "guestbook")
