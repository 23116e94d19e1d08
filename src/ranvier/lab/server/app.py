"""The server: one origin, one token, nothing that a page of another site could reach."""

from __future__ import annotations

import contextlib
import hmac
import json
import secrets
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Any

import anyio
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from ranvier.errors import ParameterError, RanvierError
from ranvier.lab import html
from ranvier.lab.catalogue import by_name
from ranvier.lab.server import frames, stores
from ranvier.lab.server.live import WALL, Live, told
from ranvier.lab.server.networks import ModelFile, Networks, described
from ranvier.lab.server.stores import Stores, Window

HOSTS = ("127.0.0.1", "localhost")
MOST_SESSIONS = 8
LARGEST_MESSAGE = 2**20
POLICY = (
    "default-src 'self'; script-src 'self'; worker-src 'self' blob:; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
ASSETS = {
    "style.css": ("text/css", ("style.css", "explore.css")),
    "explore.js": ("text/javascript", ("plots.js", "controls.js", "run.js", "train.js", "cell.js", "explore.js")),
}
FORMATS = ("csv", "npz", "nwb", "neo", "sonata", "netcdf")


class Headers:
    """Adds to every response what tells a browser to keep the page to itself."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                have = {name.lower() for name, _ in message["headers"]}
                for name, value in (
                    (b"content-security-policy", POLICY.encode()),
                    (b"x-content-type-options", b"nosniff"),
                    (b"referrer-policy", b"no-referrer"),
                    (b"cache-control", b"no-store"),
                    (b"cross-origin-opener-policy", b"same-origin"),
                    (b"cross-origin-resource-policy", b"same-origin"),
                ):
                    if name not in have:
                        message["headers"].append((name, value))
            await send(message)

        await self.app(scope, receive, sent)


def application(root: Path, token: str, port: int, hosts: tuple[str, ...] = HOSTS, networks: Networks | None = None) -> Starlette:
    """The lab as an ASGI application.

    Args:
        root: the folder whose stores are shown, and where runs are kept.
        token: what the page's address carries, and nobody else knows.
        port: that it is served at: part of the only origins that are answered.
        hosts: by which it may be called.
        networks: that can be run; the ready-made ones when left out.
    """
    can_run = Networks() if networks is None else networks
    sessions: dict[str, None] = {}
    found = Stores(root)
    cookie = f"ranvier-lab-{port}"
    origins = {f"http://{host}:{port}" for host in hosts}

    def known(connection: HTTPConnection) -> bool:
        return connection.cookies.get(cookie, "") in sessions

    def refused(text: str, status: int = 403) -> Response:
        return PlainTextResponse(text, status)

    async def home(request: Request) -> Response:
        return HTMLResponse(files("ranvier.lab").joinpath("page", "explore.html").read_text(encoding="utf-8"))

    async def asset(request: Request) -> Response:
        kind, names = ASSETS[request.path_params["name"]]
        return Response("".join(html.source(name) for name in names), media_type=kind)

    async def session(request: Request) -> Response:
        if request.headers.get("origin") not in origins:
            return refused("This page is of another origin.")
        body = b""
        async for piece in request.stream():
            body += piece
            if len(body) > 4096:
                return refused("Too much.", 413)
        try:
            given = json.loads(body)["token"]
        except (ValueError, KeyError, TypeError):
            given = None
        if not isinstance(given, str) or not hmac.compare_digest(given.encode(), token.encode()):
            return refused("The token is another. Open the address that `ranvier lab` printed.")
        if not known(request):
            if len(sessions) >= MOST_SESSIONS:
                return refused(f"{MOST_SESSIONS} browsers are here already. Start `ranvier lab` again to let them go.", 429)
            name = secrets.token_urlsafe(32)
            sessions[name] = None
        else:
            name = request.cookies[cookie]
        response = JSONResponse({})
        response.set_cookie(cookie, name, httponly=True, samesite="strict", path="/")
        return response

    def guarded(endpoint: Any) -> Any:
        async def answer(request: Request) -> Response:
            if not known(request):
                return refused("Open the address that `ranvier lab` printed.", 401)
            try:
                return await endpoint(request)
            except RanvierError as error:
                return JSONResponse({"error": str(error)}, 400)
            except Exception as error:  # of a user's own code, of a disk: the page says it, the server goes on
                return JSONResponse({"error": told(error)}, 500)

        return answer

    async def list_of_stores(request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(found.listed))

    async def one_store(request: Request) -> Response:
        run = await run_in_threadpool(found.opened, request.query_params.get("id"))
        return JSONResponse(await run_in_threadpool(stores.described, run))

    async def connectivity(request: Request) -> Response:
        from ranvier.lab.server.wiring import wiring

        run = await run_in_threadpool(found.opened, request.query_params.get("id"))
        return JSONResponse(await run_in_threadpool(wiring, run, request.query_params.get("projection", ""), can_run.own))

    async def scenes(request: Request) -> Response:
        return JSONResponse(sorted(by_name()))

    async def listed_networks(request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(can_run.listed))

    async def one_network(request: Request) -> Response:
        scale = request.query_params.get("scale")
        try:
            size = None if scale is None else float(scale)
        except ValueError:
            raise ParameterError(f"scale must be a number, not {str(scale)[:40]!r}.") from None
        choice = can_run.find(request.query_params.get("name"))
        return JSONResponse(await run_in_threadpool(described, choice, size))

    async def own_file(request: Request) -> Response:
        own = can_run.own
        if not isinstance(own, ModelFile):
            return JSONResponse({})
        return JSONResponse(await run_in_threadpool(own.looked_at))

    async def scene(request: Request) -> Response:
        name, own = request.query_params.get("name", ""), can_run.scene_file
        if own is not None and name == own.name:
            document = await run_in_threadpool(own.document)
            ancestors = "'self'"
        elif (made := by_name().get(name)) is not None:
            document = await run_in_threadpool(lambda: made().html())
            ancestors = "'none'"
        else:
            return refused("There is no such scene.", 404)
        policy = html.policy_of(document) + f"; frame-ancestors {ancestors}"
        return HTMLResponse(document, headers={"content-security-policy": policy})

    async def export(request: Request) -> Response:
        to = request.query_params.get("to", "")
        if to not in FORMATS:
            return refused(f"One of {', '.join(FORMATS)}.", 400)
        run = await run_in_threadpool(found.opened, request.query_params.get("id"))
        folder = tempfile.TemporaryDirectory(prefix="ranvier-lab-")
        try:
            place = await run_in_threadpool(_exported, run, Path(folder.name), to)
        except BaseException:
            folder.cleanup()
            raise
        return FileResponse(place, filename=place.name, background=BackgroundTask(folder.cleanup))

    async def socket(websocket: WebSocket) -> None:
        if websocket.headers.get("origin") not in origins or not known(websocket):
            await websocket.close(1008)
            return
        await websocket.accept()
        await _talk(websocket, found, can_run)

    return Starlette(
        routes=[
            Route("/", home),
            *(Route(f"/{name}", _fixed(asset, name)) for name in ASSETS),
            Route("/session", session, methods=["POST"]),
            Route("/api/stores", guarded(list_of_stores)),
            Route("/api/store", guarded(one_store)),
            Route("/api/scenes", guarded(scenes)),
            Route("/api/connectivity", guarded(connectivity)),
            Route("/api/networks", guarded(listed_networks)),
            Route("/api/network", guarded(one_network)),
            Route("/api/file", guarded(own_file)),
            Route("/api/scene", guarded(scene)),
            Route("/api/export", guarded(export)),
            WebSocketRoute("/ws", socket),
        ],
        middleware=[Middleware(Headers), Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False)],
    )


def _fixed(asset: Any, name: str) -> Any:
    async def answer(request: Request) -> Response:
        request.path_params["name"] = name
        return await asset(request)

    return answer


def _exported(run: Any, folder: Path, to: str) -> Path:
    import shutil

    from ranvier.interop.formats import ENDINGS
    from ranvier.interop.formats import export as write

    place = write(run, folder / f"{run.path.stem}{ENDINGS[to]}", to=to)
    if place.is_dir():
        place = Path(shutil.make_archive(str(place), "zip", place))
    return place


async def _talk(websocket: WebSocket, found: Stores, can_run: Networks) -> None:
    """Answers a page: of requests for one panel the newest alone, so that a fast hand never waits for old pictures."""
    waiting: dict[str, dict[str, Any]] = {}
    come = anyio.Event()
    live = _Live(websocket, found, can_run)

    async def speak() -> None:
        nonlocal come
        while True:
            await come.wait()
            come = anyio.Event()
            while waiting:
                message = waiting.pop(next(iter(waiting)))
                answer = await run_in_threadpool(_answer, found, message)
                with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # the page has gone meanwhile
                    await websocket.send_bytes(answer)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(speak)
        tasks.start_soon(live.stream)
        with contextlib.suppress(WebSocketDisconnect):
            while True:
                text = await websocket.receive_text()
                if len(text) > LARGEST_MESSAGE:
                    await websocket.close(1009)
                    break
                try:
                    message = json.loads(text)
                    panel = f"{message['op']}:{message.get('panel', '')}"
                    int(message["id"])
                except (ValueError, KeyError, TypeError, AttributeError):
                    await websocket.close(1007)
                    break
                if message["op"] in live.operations:
                    await live.take(message)
                    continue
                waiting.pop(panel, None)
                waiting[panel] = message
                come.set()
        live.end()
        tasks.cancel_scope.cancel()


class _Live:
    """What a page runs: one run or training a connection. It ends with the connection; what is kept in a store stays there."""

    operations = ("start", "continue", "train", "pause", "resume", "step", "set", "stop", "ack")

    def __init__(self, websocket: WebSocket, found: Stores, can_run: Networks):
        self.websocket, self.found, self.can_run = websocket, found, can_run
        self.run: Live | None = None
        self.number = 0
        self.free = True  # the page has drawn the last spikes

    async def take(self, message: dict[str, Any]) -> None:
        """Does what a page asks of its run, and says so where that cannot be done."""
        try:
            operation = message["op"]
            if operation == "ack":
                self.free = True
            elif operation in ("start", "continue", "train"):
                self.end()
                self.run, self.number, self.free = None, int(message["id"]) & 0xFFFFFFFF, True
                run = await run_in_threadpool(getattr(self, f"_{operation}"), message)
                self.run = run
                run.begin()
            elif self.run is None:
                raise ParameterError("Nothing runs here. Start a network first.")
            elif operation == "set":
                self.run.set(message.get("name"), message.get("value"))
            elif operation == "step":
                self.run.step(message.get("duration"))
            else:
                getattr(self.run, operation)()
        except Exception as error:
            await self.websocket.send_bytes(frames.frame(frames.ERROR, self.number, {"error": told(error), "live": True}))

    def _start(self, message: dict[str, Any]) -> Live:
        from ranvier.lab.server import runs  # the engine: not for Home

        choice, seed = self.can_run.find(message.get("model")), message.get("seed", 0)
        how = {"scale": message.get("scale"), "seed": seed, "given": message.get("parameters"), "record": message.get("record")}
        if not message.get("keep"):
            return runs.LiveRun(choice, **how)
        place = self.found.place_for(choice.name, seed)
        return runs.KeptRun.started(choice, place, self._told_of(place), duration=message.get("duration"), **how)

    def _continue(self, message: dict[str, Any]) -> Live:
        from ranvier.lab.server import runs

        stored = self.found.opened(message.get("store"))
        return runs.KeptRun.resumed(stored.path, self._told_of(stored.path), self.can_run.own, message.get("duration"))

    def _train(self, message: dict[str, Any]) -> Live:
        from ranvier.lab.server import training

        return training.Training(message.get("epochs"), message.get("seed", 0))

    def _told_of(self, place: Path) -> dict[str, str]:
        return {"id": self.found.id_of(place), "name": self.found.name_of(place)}

    async def stream(self) -> None:
        """Sends what is new, at most eighteen times a second, and the next only when the page has drawn the last."""
        while True:
            await anyio.sleep(WALL if self.run is None else self.run.pace())
            if self.run is None or not self.free:
                continue
            messages = [frames.frame(kind, self.number, {"live": True, **header}, *blocks) for kind, header, blocks in self.run.news()]
            self.free = not messages or messages[-1][4] not in (frames.SPIKES, frames.TILE)
            with contextlib.suppress(WebSocketDisconnect, RuntimeError):
                for message in messages:
                    await self.websocket.send_bytes(message)

    def end(self) -> None:
        if self.run is not None:
            self.run.stop()


def _answer(found: Stores, message: dict[str, Any]) -> bytes:
    number = int(message["id"]) & 0xFFFFFFFF
    try:
        run = found.opened(message.get("store"))
        if message["op"] == "view":
            kind, header, blocks = stores.raster(run, Window.of(message, run))
            return frames.frame(frames.SPIKES if kind == "events" else frames.TILE, number, header, *blocks)
        if message["op"] == "rows":
            header, values = stores.traces(run, message)
            return frames.frame(frames.ROWS, number, header, values)
        if message["op"] == "stats":
            return frames.frame(frames.STATUS, number, stores.statistics(run, message))
        return frames.frame(frames.ERROR, number, {"error": f"There is no operation {str(message['op'])[:40]!r}."})
    except Exception as error:
        return frames.frame(frames.ERROR, number, {"error": told(error)})
