"""httpx's calls for servers on this machine.

Without TLS: for a call that might need it, httpx reads every certificate that it trusts anew, which takes ten
times as long as the call itself. With a time limit against a hang alone: a busy machine may need longer than
httpx's own 5 seconds.
"""

from functools import partial

import httpx

get, post, put, options, request, stream = (
    partial(getattr(httpx, name), verify=False, timeout=300)
    for name in ("get", "post", "put", "options", "request", "stream")
)
