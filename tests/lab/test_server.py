"""The lab's server: each rule of its security one by one, and what it shows against the store itself."""

import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
import warnings
import zipfile
from io import BytesIO

import numpy as np
import pytest

import ranvier as rv
from ranvier.cli import main

pytest.importorskip("starlette", reason="the extra lab is not installed")
pytest.importorskip("httpx", reason="httpx is not installed")

from starlette.websockets import WebSocketDisconnect

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of a later starlette about a later httpx
    from starlette.testclient import TestClient

from ranvier.lab.server import live, runs, stores
from ranvier.lab.server.app import HOSTS, LARGEST_MESSAGE, MOST_SESSIONS, application
from ranvier.lab.server.networks import ModelFile, Networks
from ranvier.lab.server.serve import listening, serve

TOKEN = "the-token-of-this-test"
PORT = 8000
ORIGIN = f"http://127.0.0.1:{PORT}"
WS = f"ws://127.0.0.1:{PORT}/ws"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    fast = rv.Population(30, rv.neurons.PoissonSource(100.0), name="fast")
    slow = rv.Population(10, rv.neurons.LeakyIntegrateAndFire(), current=300.0, name="slow")
    record = rv.Record(slow, "V", every=0.5)
    rv.simulate(rv.Network(fast, slow), duration=2000.0, dt=0.1, record=record, store=root / "runs" / "two.zarr", seed=1)
    return root


@pytest.fixture
def client(root):
    return TestClient(application(root, TOKEN, PORT), base_url=ORIGIN, raise_server_exceptions=True)


@pytest.fixture
def inside(client):
    assert client.post("/session", json={"token": TOKEN}, headers={"origin": ORIGIN}).status_code == 200
    return client


def store_id(inside):
    (entry,) = inside.get("/api/stores").json()
    return entry["id"]


def read(message):
    magic, kind, _, number, size = struct.unpack_from("<IHHII", message)
    assert magic == 0x314C5652
    return kind, number, json.loads(message[16 : 16 + size]), message[16 + size :]


def ask(inside, **message):
    with inside.websocket_connect(WS, headers={"origin": ORIGIN}) as ws:
        ws.send_text(json.dumps({"id": 5, **message}))
        kind, number, header, numbers = read(ws.receive_bytes())
    assert number == 5
    return kind, header, numbers


# -- who may come in ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/api/stores", f"/api/stores?token={TOKEN}", "/api/store?id=x", "/api/scenes", "/api/scene?name=hh", "/api/export?id=x&to=csv"]
)
def test_nothing_is_said_without_the_token(client, path):
    answer = client.get(path)
    assert answer.status_code == 401
    assert "two" not in answer.text


@pytest.mark.parametrize("token", ["", "wrong", None, 5, [TOKEN], TOKEN + "x", TOKEN.upper()])
def test_another_token_opens_nothing(client, token):
    assert client.post("/session", json={"token": token}, headers={"origin": ORIGIN}).status_code == 403
    assert client.get("/api/stores").status_code == 401


def test_the_token_is_compared_in_a_time_that_says_nothing_of_it(client, monkeypatch):
    compared = []
    monkeypatch.setattr("ranvier.lab.server.app.hmac.compare_digest", lambda given, own: compared.append(given) or False)
    assert client.post("/session", json={"token": TOKEN}, headers={"origin": ORIGIN}).status_code == 403
    assert compared == [TOKEN.encode()]


def test_what_is_no_json_or_too_much_opens_nothing(client):
    assert client.post("/session", content=b"{", headers={"origin": ORIGIN}).status_code == 403
    assert client.post("/session", content=b" " * 5000, headers={"origin": ORIGIN}).status_code == 413


@pytest.mark.parametrize(
    "origin", [None, "null", "http://evil.example", f"http://evil.example:{PORT}", f"https://127.0.0.1:{PORT}", "http://127.0.0.1:1"]
)
def test_pages_of_other_origins_are_refused(inside, origin):
    headers = {} if origin is None else {"origin": origin}
    assert inside.post("/session", json={"token": TOKEN}, headers=headers).status_code == 403
    with pytest.raises(WebSocketDisconnect), inside.websocket_connect(WS, headers=headers):
        pass


def test_an_origin_that_equals_a_foreign_host_is_refused_too(inside):
    headers = {"origin": f"http://evil.example:{PORT}", "host": f"evil.example:{PORT}"}
    assert inside.post("/session", json={"token": TOKEN}, headers=headers).status_code == 400
    headers = {"origin": "http://127.0.0.1:1", "host": "127.0.0.1:1"}  # another program's page on this machine
    assert inside.post("/session", json={"token": TOKEN}, headers=headers).status_code == 403
    with pytest.raises(WebSocketDisconnect), inside.websocket_connect(WS, headers=headers):
        pass


@pytest.mark.parametrize("host", ["evil.example", f"evil.example:{PORT}", "127.0.0.1.evil.example", "192.168.1.5"])
def test_other_hosts_are_refused(inside, host):
    assert inside.get("/", headers={"host": host}).status_code == 400
    assert inside.get("/api/stores", headers={"host": host}).status_code == 400


def test_the_websocket_needs_the_session_too(client):
    with pytest.raises(WebSocketDisconnect), client.websocket_connect(WS, headers={"origin": ORIGIN}):
        pass


def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites(client):
    answer = client.post("/session", json={"token": TOKEN}, headers={"origin": ORIGIN})
    cookie = answer.headers["set-cookie"].lower()
    assert {"httponly", "samesite=strict", "path=/"} <= {word.strip() for word in cookie.split(";")}
    assert TOKEN not in cookie
    assert f"ranvier-lab-{PORT}=" in cookie


def test_no_more_sessions_than_allowed(root):
    app = application(root, TOKEN, PORT)
    codes = [
        TestClient(app, base_url=ORIGIN).post("/session", json={"token": TOKEN}, headers={"origin": ORIGIN}).status_code
        for _ in range(MOST_SESSIONS + 1)
    ]
    assert codes == [200] * MOST_SESSIONS + [429]


def test_every_answer_carries_the_policy_and_none_invites_other_origins(inside):
    for path in ("/", "/style.css", "/explore.js", "/api/stores", "/nothing"):
        headers = inside.get(path, headers={"origin": "http://evil.example"}).headers
        assert dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; ")) == {
            **dict.fromkeys(("default-src", "script-src", "style-src", "connect-src"), "'self'"),
            **dict.fromkeys(("base-uri", "form-action", "frame-ancestors"), "'none'"),
            "worker-src": "'self' blob:",
            "img-src": "'self' data: blob:",
        }
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert not [name for name in headers if name.startswith("access-control-")]
    assert "frame-ancestors 'none'" in inside.get("/api/scene?name=hh").headers["content-security-policy"]
    assert inside.options("/session", headers={"origin": "http://evil.example"}).status_code == 405


# -- what may be asked ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["../two.zarr", "/etc", "runs/two.zarr", "", "0" * 16, "\x00", "runs%2Ftwo.zarr"])
def test_stores_are_asked_for_by_id_alone(inside, name):
    assert inside.get("/api/store", params={"id": name}).status_code == 400
    kind, header, _ = ask(inside, op="view", store=name)
    assert kind == 5
    assert "Unknown store" in header["error"]


def test_links_out_of_the_root_are_no_stores(inside, root, tmp_path):
    outside = tmp_path / "outside.zarr"
    rv.simulate(rv.neurons.Passive(), duration=5.0, store=outside)
    link = root / "link.zarr"
    os.symlink(outside, link)
    try:
        assert [e["name"] for e in inside.get("/api/stores").json()] == [os.path.join("runs", "two.zarr")]
    finally:
        link.unlink()


@pytest.mark.parametrize("text", ["", "{", "[]", "5", '{"op": "view"}', '{"id": "x", "op": "view"}'])
def test_what_is_no_message_ends_the_talk(inside, text):
    with inside.websocket_connect(WS, headers={"origin": ORIGIN}) as ws:
        ws.send_text(text)
        with pytest.raises(WebSocketDisconnect):
            ws.receive_bytes()


def test_a_message_that_is_too_large_ends_the_talk(inside):
    with inside.websocket_connect(WS, headers={"origin": ORIGIN}) as ws:
        ws.send_text(json.dumps({"id": 1, "op": "view", "panel": "x" * LARGEST_MESSAGE}))
        with pytest.raises(WebSocketDisconnect):
            ws.receive_bytes()


@pytest.mark.parametrize(
    "message",
    [
        {"op": "rm"},
        {"op": "view", "t0": "x"},
        {"op": "view", "t0": True},
        {"op": "view", "t0": 1e999},
        {"op": "view", "t0": 50.0, "t1": 10.0},
        {"op": "view", "n0": 7, "n1": 7},
        {"op": "rows", "part": "slow", "variable": "__class__"},
        {"op": "rows", "part": "slow", "variable": "V", "columns": [99]},
        {"op": "rows", "part": "slow", "variable": "V", "columns": "0"},
        {"op": "stats", "population": "../x"},
    ],
)
def test_bad_requests_are_answered_with_a_reason(inside, message):
    kind, header, _ = ask(inside, store=store_id(inside), **message)
    assert kind == 5
    assert len(header["error"]) > 10


def test_a_picture_is_never_larger_than_a_screen(inside):
    kind, header, _ = ask(inside, store=store_id(inside), op="view", width=10**9, height=10**9)
    assert kind in (2, 3)
    assert header.get("width", 0) <= stores.MOST_PIXELS


# -- how it is started -----------------------------------------------------------------------------------


def test_another_host_is_refused_and_the_tunnel_named(root, capsys):
    assert main(["lab", str(root), "--host", "0.0.0.0", "--no-browser"]) == 1
    assert "ssh -L" in capsys.readouterr().err


def test_a_port_in_use_is_named(root):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(rv.ParameterError, match="cannot be used"):
            serve(root, port=taken.getsockname()[1], browser=False)


@pytest.mark.parametrize("host", ["192.0.2.1", "nothing.invalid"])
def test_an_address_that_is_not_of_this_machine_is_named(root, host):
    with pytest.raises(rv.ParameterError, match="has no address"):
        serve(root, host=host, allow_remote=True, browser=False)


def test_it_listens_at_this_machine_alone():
    with listening("127.0.0.1", 0) as own:
        assert own.getsockname()[0] == "127.0.0.1"
        with listening("127.0.0.1", 0) as other:  # at a port that nobody can know before
            assert 0 < own.getsockname()[1] != other.getsockname()[1] > 0


def test_no_folder(tmp_path, capsys):
    assert main(["lab", str(tmp_path / "none"), "--no-browser"]) == 1
    assert "There is no folder" in capsys.readouterr().err


def test_it_starts_and_prints_one_address(root):
    command = [sys.executable, "-m", "ranvier.cli", "lab", str(root), "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            address, _, token = process.stdout.readline().strip().partition("/#token=")
            assert address.startswith("http://127.0.0.1:")
            assert len(token) >= 43  # 256 bits
            import httpx

            assert httpx.get(address, trust_env=False).status_code == 200
            assert httpx.get(f"{address}/api/stores", trust_env=False).status_code == 401
        finally:
            process.terminate()
            process.wait(20)


# -- what it shows ---------------------------------------------------------------------------------------


def truth(root, k0, k1, n0, n1):
    run = rv.open_store(root / "runs" / "two.zarr")
    steps, neurons = run._stored.spikes.between(k0, k1)
    inside = (neurons >= n0) & (neurons < n1)
    return steps[inside], neurons[inside]


def test_home_lists_the_store(inside):
    (entry,) = inside.get("/api/stores").json()
    assert (entry["status"], entry["neurons"], entry["reached"]) == ("complete", 40, 2000.0)
    facts = inside.get("/api/store", params={"id": entry["id"]}).json()
    assert [p["name"] for p in facts["populations"]] == ["fast", "slow"]
    assert [(r["part"], r["variable"], r["unit"]) for r in facts["records"]] == [("slow", "V", "mV")]
    assert "hh" in inside.get("/api/scenes").json()
    assert "HodgkinHuxley" in inside.get("/api/scene?name=hh").text
    assert inside.get("/api/scene?name=../x").status_code == 404


@pytest.mark.parametrize(("t0", "t1", "n0", "n1"), [(0.0, 2000.0, 0, 40), (100.0, 150.0, 5, 33)])
def test_the_raster_has_every_spike(inside, root, t0, t1, n0, n1):
    kind, header, numbers = ask(inside, op="view", store=store_id(inside), t0=t0, t1=t1, n0=n0, n1=n1)
    steps, neurons = truth(root, round(t0 / 0.1), round(t1 / 0.1), n0, n1)
    assert kind == 2
    got = np.frombuffer(numbers, "<u4").reshape(2, -1)
    assert (header["k0"] + got[0]).tolist() == steps.tolist()
    assert got[1].tolist() == neurons.tolist()


@pytest.mark.parametrize("window", [(0.0, 2000.0, 0, 40), (480.0, 1520.0, 0, 30)])
def test_tiles_add_up_and_the_pyramid_too(inside, root, monkeypatch, window):
    t0, t1, n0, n1 = window
    width = round((t1 - t0) / 40.0)  # columns as wide as the bins of the pyramid's second level
    asked = {"op": "view", "store": store_id(inside), "t0": t0, "t1": t1, "n0": n0, "n1": n1, "width": width, "height": n1 - n0}
    steps, neurons = truth(root, round(t0 / 0.1), round(t1 / 0.1), n0, n1)
    exact, *_ = np.histogram2d(neurons, steps, (n1 - n0, width), ((n0, n1), (t0 / 0.1, t1 / 0.1)))
    monkeypatch.setattr(stores, "MOST_EVENTS", 0)
    kind, header, numbers = ask(inside, **asked)
    assert kind == 3
    assert (np.frombuffer(numbers, "<u2").reshape(header["height"], header["width"]) == exact).all()
    monkeypatch.setattr(stores, "MOST_RAW", 0)
    kind, header, numbers = ask(inside, **asked)
    assert header["coarse"]
    assert (np.frombuffer(numbers, "<u2").reshape(header["height"], header["width"]) == exact).all()


def test_rows_hold_the_extremes(inside, root):
    kind, header, numbers = ask(
        inside, op="rows", store=store_id(inside), part="slow", variable="V", columns=[0, 3], t0=0.0, t1=2000.0, width=50
    )
    got = np.frombuffer(numbers, "<f4").reshape(2, header["width"], 2)
    V = rv.open_store(root / "runs" / "two.zarr")["slow"].V.values
    assert kind == 1
    assert header["unit"] == "mV"
    np.testing.assert_allclose(got[:, :, 0].min(1), V[:, [0, 3]].min(0), rtol=1e-6)
    np.testing.assert_allclose(got[:, :, 1].max(1), V[:, [0, 3]].max(0), rtol=1e-6)


def test_statistics(inside, root):
    kind, s, _ = ask(inside, op="stats", store=store_id(inside), population="fast", t0=0.0, t1=2000.0)
    steps, neurons = truth(root, 0, 20000, 0, 30)
    assert kind == 4
    assert s["spikes"] == len(steps)
    assert s["rate"] == pytest.approx(len(steps) / 30 / 2.0)
    variations = [np.diff(steps[neurons == i]).std() / np.diff(steps[neurons == i]).mean() for i in range(30)]
    assert s["cv"] == pytest.approx(np.mean(variations))
    assert 0.9 < s["cv"] < 1.1  # a Poisson process has 1
    assert sum(s["intervals"]["values"]) <= len(steps)
    assert s["spectrum"]["values"]


def test_exports(inside):
    answer = inside.get("/api/export", params={"id": store_id(inside), "to": "npz"})
    with np.load(BytesIO(answer.content)) as data:
        assert any("spikes" in name for name in data.files)
    answer = inside.get("/api/export", params={"id": store_id(inside), "to": "csv"})
    assert zipfile.ZipFile(BytesIO(answer.content)).namelist()
    assert inside.get("/api/export", params={"id": store_id(inside), "to": "exe"}).status_code == 400


def test_the_newest_request_of_a_panel_wins_and_all_panels_are_answered(inside):
    with inside.websocket_connect(WS, headers={"origin": ORIGIN}) as ws:
        identity = store_id(inside)
        for i in range(20):
            ws.send_text(json.dumps({"id": i, "op": "view", "panel": "raster", "store": identity}))
        ws.send_text(json.dumps({"id": 99, "op": "stats", "panel": "s", "store": identity, "population": "fast"}))
        seen = []
        while not {19, 99} <= set(seen):
            seen.append(read(ws.receive_bytes())[1])
    assert seen == sorted(seen)


# -- a network that runs -----------------------------------------------------------------------------------


class Page:
    """What a page does: it asks, hears, and says when it has drawn."""

    def __init__(self, socket):
        self.socket, self.facts, self.status, self.errors, self.spikes = socket, None, [], [], []
        self.rows, self.weights, self.epochs, self.changes = [], [], [], []

    def say(self, op, **details):
        self.socket.send_text(json.dumps({"id": 1, "op": op, "panel": "live", **details}))

    def hear(self, enough):
        while not enough(self):
            if self.status and self.status[-1]["status"] == "failed":
                raise AssertionError(self.errors)
            kind, _, header, numbers = read(self.socket.receive_bytes())
            assert header["live"]
            if kind == 5:
                self.errors.append(header["error"])
            elif kind == 2:
                steps, neurons = np.frombuffer(numbers, "<u4").reshape(2, -1).astype(np.int64)
                self.spikes += list(zip((steps + header["k0"]).tolist(), neurons.tolist(), strict=True))
                self.say("ack")
            elif kind == 1:
                self.rows.append((header, np.frombuffer(numbers, "<f4")))
            elif "parameters" in header or "training" in header:
                self.facts = header
            elif "changed" in header:
                self.changes.append(header["changed"])
            elif "weights" in header:
                self.weights.append(header["weights"])
            elif "epoch" in header and "loss" in header:
                self.epochs.append(header)
            else:
                self.status.append(header)
        return self


def reached(t):
    return lambda page: page.status and page.status[-1]["t"] >= t


def test_a_run_from_the_page_loses_no_spike_and_obeys(inside):
    with inside.websocket_connect(WS, headers={"origin": ORIGIN}) as socket:
        page = Page(socket)
        page.say("start", model="coba", scale=0.5, seed=3)
        page.hear(lambda page: page.facts)
        assert page.facts["n"] == 2000
        declared = {p["name"]: p for p in page.facts["parameters"]}
        assert declared["exc.leak"]["unit"] == "nS"
        page.hear(reached(150.0))
        page.say("pause")
        page.hear(lambda page: page.status[-1]["status"] == "paused")
        page.say("step", duration=10)
        at = page.status[-1]["t"]
        page.hear(lambda page: page.status[-1]["t"] > at and page.status[-1]["status"] == "paused")
        page.say("set", name="exc.leak", value="x")
        page.say("set", name="exc.nothing", value=1.0)
        page.say("step", duration=-1)
        page.hear(lambda page: len(page.errors) == 3)
        assert "must be a number" in page.errors[0]
        assert "Unknown parameter" in page.errors[1]
        page.say("set", name="exc.threshold", value=1000.0)
        page.say("set", name="inh.threshold", value=1000.0)
        changed_at = page.status[-1]["t"]
        page.say("resume")
        page.hear(reached(changed_at + 100.0))
        page.hear(lambda page: page.status[-1]["set"] == {"exc.threshold": 1000.0, "inh.threshold": 1000.0})
        page.say("stop")
        page.hear(lambda page: page.status[-1]["status"] == "stopped")
    when = {"t": changed_at, "step": round(changed_at / 0.1), "value": 1000.0}
    assert page.changes == [{"name": f"{name}.threshold", **when} for name in ("exc", "inh")]
    unbroken = rv.simulate(rv.models.coba(scale=0.5), duration=changed_at, dt=0.1, integrator=rv.ExponentialEuler(), seed=3)
    ours = sorted((k, n) for k, n in page.spikes if k * 0.1 < changed_at - 1e-9)
    assert ours == sorted(zip(unbroken.spikes.steps.tolist(), unbroken.spikes.neurons.tolist(), strict=True))
    assert len(ours) > 100
    assert not [k for k, _ in page.spikes if k * 0.1 > changed_at + 1.0]  # nobody reaches that threshold


@pytest.mark.parametrize(
    ("details", "message"),
    [
        ({"model": "../x"}, "Unknown network"),
        ({"model": None}, "Unknown network"),
        ({"model": "coba", "scale": 5}, "at most 1"),
        ({"model": "microcircuit", "scale": 1}, "at most 0.2"),
        ({"model": "coba", "scale": "1"}, "scale must be"),
        ({"model": "coba", "seed": -1}, "seed must be"),
    ],
)
def test_what_cannot_be_run_is_refused(inside, details, message):
    with inside.websocket_connect(WS, headers={"origin": ORIGIN}) as socket:
        page = Page(socket)
        page.say("pause")
        page.say("start", **details)
        page.hear(lambda page: len(page.errors) == 2)
    assert "Start a network first" in page.errors[0]
    assert message in page.errors[1]


def started(name="coba", **options):
    run = runs.LiveRun(Networks().find(name), **options)
    run.begin()
    return run


def test_no_more_runs_than_allowed_and_those_of_closed_pages_end():
    made = [started(scale=0.02) for _ in range(live.MOST_RUNS)]
    with pytest.raises(rv.ParameterError, match="run already"):
        started(scale=0.02)
    for run in made:
        run.stop(wait=60)
    started(scale=0.02).stop(wait=60)


def test_a_page_that_does_not_answer_loses_the_picture_not_the_run(monkeypatch):
    monkeypatch.setattr(live, "MOST_WAITING", 500)
    monkeypatch.setattr(live, "MOST_IN_FRAME", 400)
    run = started(scale=0.5)
    while run._status["t"] < 300.0 and run._status["status"] != "failed":
        time.sleep(0.05)
    run.stop(wait=60)
    news = run.news()
    assert not [header for kind, header, _ in news if kind == 5]
    ((header, (counts,)),) = [(header, blocks) for kind, header, blocks in news if kind == 3]
    unbroken = rv.simulate(rv.models.coba(scale=0.5), duration=header["t1"], dt=0.1, integrator=rv.ExponentialEuler(), seed=0)
    assert header["spikes"] == len(unbroken.spikes)  # what is not drawn any more is in the sum
    assert 0 < counts.sum() <= header["spikes"]
    last = unbroken.spikes.between(header["t1"] - 20.0, header["t1"]).neurons
    rows = np.bincount(last * header["height"] // 2000, minlength=header["height"])
    assert counts.reshape(header["height"], header["width"])[:, -10:].sum(1).tolist() == rows.tolist()


# -- a run that is kept, and a file of the user's -------------------------------------------------------------

FILE = """
import ranvier as rv

class Own(rv.neurons.LeakyIntegrateAndFire):
    pass

inputs = rv.Population(20, rv.neurons.PoissonSource(40.0), name="inputs")
cell = rv.Population(2, Own(), current=200.0, name="cell")
rule = rv.plasticity.PairSTDP(high=60.0, potentiation=0.05, depression=0.06)
wires = rv.Projection(inputs, cell, rv.synapses.ExponentialCurrent(), rv.connect.all_to_all(), weight=30.0, plasticity=rule, name="wires")
network = rv.Network(inputs, cell, wires)
dt = 0.1
"""
STARTED = {"model": "my_model.py", "seed": 3, "keep": True, "duration": 40_000.0, "parameters": {"cell.current": 260.0}}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "my_model.py"
    path.write_text(FILE, encoding="utf-8")
    return path


@pytest.fixture
def with_file(file):
    app = application(file.parent, TOKEN, PORT, networks=Networks(ModelFile(file)))
    client = TestClient(app, base_url=ORIGIN)
    assert client.post("/session", json={"token": TOKEN}, headers={"origin": ORIGIN}).status_code == 200
    return client


def test_a_killed_lab_leaves_a_store_from_which_the_page_resumes_bit_for_bit(with_file, file):
    command = [sys.executable, "-m", "ranvier.cli", "lab", str(file), "--root", str(file.parent), "--no-browser"]
    from websockets.sync.client import connect

    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            address, _, token = process.stdout.readline().strip().partition("/#token=")
            import httpx

            origin = {"origin": address}
            answer = httpx.post(f"{address}/session", json={"token": token.partition("&")[0]}, headers=origin, trust_env=False)
            cookie = {"cookie": answer.headers["set-cookie"].partition(";")[0]}
            with connect(f"{address.replace('http', 'ws')}/ws", origin=address, additional_headers=cookie, proxy=None) as ws:
                ws.send(json.dumps({"id": 1, "op": "start", **STARTED}))
                t = 0.0
                while t < 500.0:
                    kind, _, header, _ = read(ws.recv(timeout=60))
                    assert kind != 5, header
                    t = header.get("t", t)
                    if kind == 2:
                        ws.send(json.dumps({"id": 2, "op": "ack"}))
                process.kill()
        finally:
            process.kill()
    (entry,) = with_file.get("/api/stores").json()
    assert (entry["name"], entry["status"]) == ("my_model-seed3.zarr", "stopped")
    assert with_file.get("/api/store", params={"id": entry["id"]}).json()["resumable"]
    with with_file.websocket_connect(WS, headers={"origin": ORIGIN}) as socket:
        page = Page(socket)
        page.say("continue", store=entry["id"], duration=1500.0)
        page.hear(lambda page: page.facts)
        page.say("set", name="cell.current", value=1.0)
        page.say("step", duration=10)
        page.hear(lambda page: page.status and page.status[-1]["status"] in ("complete", "failed"))
    assert page.status[-1]["status"] == "complete"
    assert ["kept in a store" in error for error in page.errors] == [True, True]
    made = {}
    exec(FILE, made)
    sim = rv.prepare(made["network"], dt=0.1, seed=3)
    unbroken = sim.run(1500.0, parameters={"cell.current": 260.0})
    stored = rv.open_store(file.parent / entry["name"])
    assert stored.spikes.steps.tolist() == unbroken.spikes.steps.tolist()
    assert stored.spikes.neurons.tolist() == unbroken.spikes.neurons.tolist()
    assert stored.state.synapses["wires"]["weight"].tolist() == unbroken.state.synapses["wires"]["weight"].tolist()


def test_a_run_that_is_stopped_can_be_looked_at_and_goes_on(with_file, file):
    with with_file.websocket_connect(WS, headers={"origin": ORIGIN}) as socket:
        page = Page(socket)
        page.say("start", **STARTED, record=[{"part": "cell", "variable": "V", "neurons": [1]}])
        page.hear(lambda page: page.rows and page.weights)
        page.say("pause")
        page.hear(lambda page: page.status[-1]["status"] == "paused")
        page.say("stop")
        page.hear(lambda page: page.status[-1]["status"] == "stopped")
    header, _ = page.rows[0]
    assert (header["part"], header["variable"], header["unit"], header["neurons"]) == ("cell", "V", "mV", [1])
    assert sum(page.weights[-1]["wires"]["values"]) == 40
    stored = rv.open_store(file.parent / "my_model-seed3.zarr")
    assert stored.status == "interrupted"
    V = stored["cell"].V
    rows = np.concatenate([numbers[: h["rows"]] for h, numbers in page.rows]), np.concatenate([n[h["rows"] :] for h, n in page.rows])
    ours = dict(zip(np.round(rows[0], 3).tolist(), rows[1].tolist(), strict=True))
    theirs = dict(zip(np.round(V.time.values, 3).astype(np.float32).tolist(), V.values[:, 0].tolist(), strict=True))
    shared = [t for t in ours if t in theirs]
    assert len(shared) > 100
    np.testing.assert_allclose([ours[t] for t in shared], [theirs[t] for t in shared], rtol=1e-6)
    identity = page.facts["kept"]["id"]
    found = with_file.get("/api/connectivity", params={"id": identity, "projection": "wires"}).json()
    assert (found["edges"], found["sources"], found["n_targets"], found["learnt"]) == (40, 20, 2, True)
    assert sum(found["counts"]) == sum(found["weights"]["values"]) == 40
    assert found["weights"]["mean"] == pytest.approx(float(np.mean(stored.state.synapses["wires"]["weight"])))
    assert with_file.get("/api/connectivity", params={"id": identity, "projection": "x"}).status_code == 400


def test_a_file_that_raises_while_it_is_edited_says_where_and_nothing_is_lost(with_file, file):
    first = with_file.get("/api/network", params={"name": "my_model.py"}).json()
    assert [p["name"] for p in first["populations"]] == ["inputs", "cell"]
    assert {"name": "cell.current", "value": 200.0, "unit": "pA", "text": "what is injected"} in first["parameters"]
    assert first["learning"] == ["wires"]
    with with_file.websocket_connect(WS, headers={"origin": ORIGIN}) as socket:
        page = Page(socket)
        page.say("start", model="my_model.py")
        page.hear(reached(20.0))
        file.write_text(FILE.replace("dt = 0.1", "dt = nothing"), encoding="utf-8")
        looked = with_file.get("/api/file").json()
        assert "my_model.py, line 12: NameError: name 'nothing' is not defined" in looked["problem"]
        assert with_file.get("/api/network", params={"name": "my_model.py"}).json()["error"] == looked["problem"]
        at = page.status[-1]["t"]
        page.hear(reached(at + 20.0))  # it goes on as it was
        page.say("stop")
        page.hear(lambda page: page.status[-1]["status"] == "stopped")
        file.write_text(FILE.replace("Population(2,", "Population(3,"), encoding="utf-8")
        assert with_file.get("/api/file").json()["problem"] == ""
        assert with_file.get("/api/network", params={"name": "my_model.py"}).json()["populations"][1]["n"] == 3
    assert not page.errors
    file.unlink()
    assert "There is no file" in with_file.get("/api/file").json()["problem"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("raise KeyboardInterrupt('mine')", "KeyboardInterrupt: mine"),
        ("raise SystemExit(2)", "line 1: SystemExit: 2"),
        ("x = 1\x00", "null bytes"),
        ("network = 5", "network"),
        ("while not waited.wait(1): pass", "has not ended yet"),
    ],
)
def test_what_a_file_can_do_ends_the_file_and_not_the_lab(with_file, file, text, message, monkeypatch):
    waited = threading.Event()
    monkeypatch.setattr("builtins.waited", waited, raising=False)
    monkeypatch.setattr("ranvier.lab.server.networks.LONGEST_READING", 0.1)
    file.write_text(text, encoding="utf-8")
    reading = threading.Thread(target=lambda: with_file.get("/api/file"), daemon=True)
    reading.start()
    reading.join(1.0)
    answer = with_file.get("/api/network", params={"name": "my_model.py"})
    waited.set()
    assert answer.status_code == 400
    assert message in answer.json()["error"]
    reading.join(20.0)


def test_a_file_without_an_end_is_left_when_it_is_mended(with_file, file, monkeypatch):
    monkeypatch.setattr("ranvier.lab.server.networks.LONGEST_READING", 0.2)
    file.write_text("while True: pass", encoding="utf-8")
    asked = with_file.get("/api/file").json()
    assert "has not ended yet" in asked["problem"]
    file.write_text(FILE, encoding="utf-8")
    monkeypatch.setattr("ranvier.lab.server.networks.LONGEST_READING", 20.0)
    assert with_file.get("/api/file").json()["problem"] == ""
    time.sleep(0.1)
    assert not [thread for thread in threading.enumerate() if thread.name == f"lab reads {file.name}"]


def test_a_cell_that_no_scene_can_show_is_said_with_its_class_and_line(with_file, file):
    slope = "    def derivatives(self, *given):\n        return {'V': jax.lax.erf_inv(given[0]['V'])}\n"
    file.write_text(f"import jax\nimport ranvier as rv\nclass Odd(rv.neurons.Passive):\n{slope}model = Odd()\n", encoding="utf-8")
    asked = with_file.get("/api/file").json()
    assert asked["scene"]
    assert "Odd.derivatives uses the operation 'erf_inv' (my_model.py, line 5)" in asked["problem"]


def test_an_error_of_a_users_class_is_said_with_its_line_and_the_page_goes_on(with_file, file):
    file.write_text(FILE.replace("    pass", "    def derivatives(self, *given):\n        return nothing"), encoding="utf-8")
    with with_file.websocket_connect(WS, headers={"origin": ORIGIN}) as socket:
        page = Page(socket)
        page.say("start", model="my_model.py")
        page.hear(lambda page: page.errors)
        assert "NameError: name 'nothing' is not defined (my_model.py, line 6)" in page.errors[0]
        file.write_text(FILE, encoding="utf-8")
        page.status.clear()
        page.say("start", model="my_model.py")
        page.hear(reached(20.0))


def test_a_store_that_is_deleted_while_it_is_looked_at_is_said_and_the_page_goes_on(with_file, file):
    rv.simulate(rv.neurons.Passive(), duration=5.0, store=file.parent / "other.zarr")
    (entry,) = with_file.get("/api/stores").json()
    with with_file.websocket_connect(WS, headers={"origin": ORIGIN}) as socket:
        for op in ("view", "stats"):
            shutil.rmtree(file.parent / "other.zarr", ignore_errors=True)
            socket.send_text(json.dumps({"id": 1, "op": op, "store": entry["id"], "population": "passive"}))
            kind, _, header, _ = read(socket.receive_bytes())
            assert kind == 5
            assert "store" in header["error"]


def test_a_file_of_a_cell_is_a_scene_that_this_page_alone_may_frame(with_file, file):
    file.write_text("import ranvier as rv\nmodel = rv.neurons.Passive(leak=0.2)\ncurrent = 1.0\n", encoding="utf-8")
    assert with_file.get("/api/file").json()["scene"]
    answer = with_file.get("/api/scene", params={"name": "my_model.py"})
    assert "Passive" in answer.text
    assert answer.headers["content-security-policy"].endswith("frame-ancestors 'self'")
    assert "my_model.py" not in [n["name"] for n in with_file.get("/api/networks").json()]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"parameters": {"cell.nothing": 1.0}}, "Unknown parameter"),
        ({"parameters": {"cell.current": "x"}}, "must be a number"),
        ({"parameters": [1]}, "numbers by path"),
        ({"record": [{"part": "cell", "variable": "__class__"}]}, "Unknown variable"),
        ({"record": [{"part": "../x", "variable": "V"}]}, "Unknown population"),
        ({"record": [{"part": "cell", "variable": "V", "neurons": [99]}]}, "whole numbers from 0 to 1"),
        ({"keep": True, "duration": -1}, "A duration is above 0"),
    ],
)
def test_what_a_page_may_not_ask_of_a_run(with_file, more, message):
    with with_file.websocket_connect(WS, headers={"origin": ORIGIN}) as socket:
        page = Page(socket)
        page.say("start", model="my_model.py", **more)
        page.hear(lambda page: page.errors)
    assert message in page.errors[0]


def test_a_store_that_another_process_writes_is_not_resumed(with_file, file):
    from ranvier.store.lock import Lock

    rv.simulate(rv.neurons.Passive(), duration=5.0, store=file.parent / "other.zarr")
    lock = Lock(file.parent / "other.zarr")
    (entry,) = with_file.get("/api/stores").json()
    with with_file.websocket_connect(WS, headers={"origin": ORIGIN}) as socket:
        page = Page(socket)
        page.say("continue", store=entry["id"], duration=10.0)
        page.hear(lambda page: page.errors)
    lock.release()
    assert "is being written by process" in page.errors[0]


def test_memory_is_asked_for_before_a_run(inside, monkeypatch):
    monkeypatch.setattr("ranvier.memory.available_memory", lambda: 1000.0)
    monkeypatch.setattr("ranvier.memory.LITTLE", 0)
    with inside.websocket_connect(WS, headers={"origin": ORIGIN}) as socket:
        page = Page(socket)
        page.say("start", model="cuba", scale=0.31)
        page.hear(lambda page: page.errors)
    assert "of memory are free" in page.errors[0]


def test_other_machines_may_call_only_where_that_is_asked_for(root):
    codes = []
    for hosts in ((*HOSTS, "0.0.0.0"), HOSTS):  # as `serve` gives them, with --allow-remote and without
        served = application(root, TOKEN, 80, hosts, Networks())
        codes.append(TestClient(served, base_url="http://0.0.0.0").get("/").status_code)
    assert codes == [200, 400]


def test_a_lab_of_one_store_keeps_nothing(root):
    place = root / "runs" / "two.zarr"
    with pytest.raises(rv.ParameterError, match="on a single store"):
        stores.Stores(place).place_for("coba", 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["cobra"], "Did you mean 'coba'"),
        (["nothing.py"], "There is no file"),
        ([__file__ + "c"], "There is no folder"),
        ([os.devnull], "There is no folder"),
        ([os.path.join(os.path.dirname(__file__), "..", "..", "README.md")], "is a file. The lab takes"),
        (["."], "Both . and --root"),
    ],
)
def test_what_the_command_does_not_know(arguments, message, capsys, tmp_path):
    assert main(["lab", *arguments, "--root", str(tmp_path), "--no-browser"]) == 1
    assert message in capsys.readouterr().err


def test_training_epoch_by_epoch(inside):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    with inside.websocket_connect(WS, headers={"origin": ORIGIN}) as socket:
        page = Page(socket)
        page.say("train", epochs=0)
        page.say("train", epochs=2, seed=1)
        page.hear(lambda page: page.status and page.status[-1]["status"] in ("complete", "failed"))
    assert "epochs must be" in page.errors[0]
    assert [e["epoch"] for e in page.epochs] == [1, 2]
    last = page.epochs[-1]
    assert last["loss"] < page.epochs[0]["loss"]
    confusion = np.array(last["confusion"])
    assert confusion.sum() == page.facts["training"]["tests"] == 360
    assert last["accuracy"] == pytest.approx(np.trace(confusion) / 360)
    assert all(len(p["pixels"]) == 64 and len(p["spikes"][0]) for p in last["pictures"])
