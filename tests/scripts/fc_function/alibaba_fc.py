"""A web function that shows what reached it and misbehaves on request, for tests of the FC stand-in. No MCP."""

import asyncio
import os
import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

go = asyncio.Event()
busy = 0
peak = 0


async def echo(request: Request) -> Response:
    body = await request.body()
    seen = {
        "pid": os.getpid(),
        "method": request.method,
        "target": request.scope["raw_path"].decode() + "?" + request.scope["query_string"].decode(),
        "headers": [[name.decode(), value.decode()] for name, value in request.scope["headers"]],
        "bytes": len(body),
        "port": request.scope["server"][1],
        "environment": dict(os.environ),
        "peak": peak,
    }
    return JSONResponse(seen)


async def work(request: Request) -> Response:
    global busy, peak
    busy += 1
    peak = max(peak, busy)
    await asyncio.sleep(0.1)
    busy -= 1
    return PlainTextResponse("done")


async def headers(request: Request) -> Response:
    given = dict(request.query_params)
    return PlainTextResponse(
        "see the headers", headers={name: value * (9000 if value == "x" else 1) for name, value in given.items()}
    )


async def leave(request: Request) -> Response:
    os._exit(3)


async def release(request: Request) -> Response:
    go.set()
    return PlainTextResponse("released")


class Events:
    """One event at once, the second when somebody asks for /release, then the end."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        await send({"type": "http.response.body", "body": b"data: one\n\n", "more_body": True})
        await go.wait()
        go.clear()
        await send({"type": "http.response.body", "body": b"data: two\n\n", "more_body": False})


class Forever:
    """Starts an answer, or with ?silent does not, and never ends it; says so when the caller is gone."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        print("working", flush=True)
        if not scope["query_string"]:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"some", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass
        print("the caller is gone", flush=True)


app = Starlette(
    routes=[
        Route("/work", work),
        Route("/headers", headers),
        Route("/leave", leave),
        Route("/release", release),
        Route("/events", Events()),
        Route("/forever", Forever()),
        Route("/{anything:path}", echo, methods=["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH"]),
    ]
)

if __name__ == "__main__":
    if complaint := os.environ.get("COMPLAIN"):
        sys.exit(f"first line\n{complaint}")
    # Every interface, as FC wants it: that the stand-in keeps it to the loopback one is what a test looks at.
    uvicorn.run(app, host="0.0.0.0", port=int(os.environ["FC_CUSTOM_LISTEN_PORT"]), log_level="critical")  # noqa: S104
