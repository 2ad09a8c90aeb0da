"""httpx's calls for servers on this machine.

Without TLS: for a call that might need it, httpx reads every certificate that it trusts anew, which takes ten
times as long as the call itself.
"""

from functools import partial

import httpx

get, post, put, options, request, stream = (
    partial(getattr(httpx, name), verify=False)
    for name in ("get", "post", "put", "options", "request", "stream")
)
