"""A scene in Debian's Chromium: it draws, follows the hand, closes itself off, and can be used by everyone.

Skipped where there is no Chromium or no playwright (`apt-get install chromium`, `pip install playwright`).
"""

import os
import shutil
import subprocess
import sys

import pytest

import ranvier as rv

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here (Debian: apt-get install chromium)")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    pulse = rv.stimuli.SquarePulse(10.0, start=20, stop=180)
    rv.lab.scene(rv.neurons.HodgkinHuxley(), current=pulse).save(folder / "hh.html")
    rv.lab.of_plasticity(rv.synapses.TsodyksMarkram()).save(folder / "stp.html")
    rv.lab.of_neuron(rv.neurons.EscapeNoiseIntegrateAndFire()).save(folder / "escape-noise.html")
    rv.lab.of_neuron(rv.neurons.AdaptiveExponentialIntegrateAndFire()).save(folder / "adex.html")  # the longest name
    return folder


@pytest.fixture
def opened(browser, files):
    """Opens a page; fails at the end where anything left the file, or the page complained."""
    pages = []

    def open_(name, width=1280, scheme="light", fragment=""):
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme, accept_downloads=True)
        asked, complaints = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto((files / f"{name}.html").as_uri() + fragment)
        page.wait_for_selector("html[data-ready]")
        pages.append((page, asked, complaints))
        return page

    yield open_
    for page, asked, complaints in pages:
        page.close()
        assert not complaints
        assert len([url for url in asked if not url.startswith("blob:")]) == 1


def summary(page):
    return page.inner_text(".pictures > .summary")


def wait_for(page, text):
    page.locator(".pictures > .summary", has_text=text).wait_for()


def test_it_draws_and_follows_the_slider(opened):
    page = opened("hh")
    wait_for(page, "11 spikes")
    amplitude = page.get_by_label("amplitude, µA/cm²")
    amplitude.fill("20")
    amplitude.press("Enter")
    pulse = rv.stimuli.SquarePulse(20.0, start=20, stop=180)
    run = rv.simulate(rv.neurons.HodgkinHuxley(), current=pulse, duration=200.0, dt=0.025, integrator=rv.RungeKutta4(), record=[])
    wait_for(page, f"{len(run.spikes)} spikes")
    painted = page.evaluate(
        "Array.from(document.querySelector('canvas.traces').getContext('2d').getImageData(0, 0, 400, 200).data).some(x => x)"
    )
    assert painted


def test_undo_redo_reset_and_the_link(opened, files):
    page = opened("hh")
    box = page.get_by_label("amplitude, µA/cm²")
    box.fill("3")
    box.press("Enter")
    page.locator(".pictures > .summary:not(:has-text('11 spikes'))").wait_for()
    changed = summary(page)
    link = page.url
    page.get_by_role("button", name="Undo", exact=True).click()
    wait_for(page, "11 spikes")
    page.get_by_role("button", name="Redo", exact=True).click()
    wait_for(page, changed)
    page.get_by_role("button", name="Reset", exact=True).click()
    wait_for(page, "11 spikes")
    again = opened("hh", fragment="#" + link.partition("#")[2])
    wait_for(again, changed)
    assert again.get_by_label("amplitude, µA/cm²").input_value() == "3"


def test_a_broken_or_foreign_link_is_the_scene_as_it_came(opened):
    for fragment in ("#%7Bnot json", '#{"__proto__|x":1}', '#{"dt":"<img src=x>"}', '#{"integrator":"nothing"}'):
        wait_for(opened("hh", fragment=fragment), "11 spikes")


def test_the_keyboard_alone(opened):
    page = opened("hh")
    slider = page.locator("input[type=range]").first
    slider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    assert page.get_by_label("amplitude, µA/cm²").input_value() == "9.85"
    page.locator("#tab-rates").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#panel-plane").is_visible()
    page.locator("canvas.traces").focus()
    page.keyboard.press("ArrowRight")
    assert "ms:" in page.inner_text(".readout")
    page.keyboard.press(" ")
    page.get_by_role("button", name="Stop", exact=True).wait_for()
    page.keyboard.press(" ")
    page.get_by_role("button", name="Play", exact=True).wait_for()


def test_each_study(opened):
    page = opened("hh")
    page.locator("#panel-rates .summary", has_text="64 of 64").wait_for()
    assert "It fires from 6.349" in page.inner_text("#panel-rates .summary")  # rest is lost near 6.2 µA/cm²
    for study in ("plane", "gates", "sensitivity", "equations"):
        page.click(f"#tab-{study}")
    page.click("#tab-sensitivity")
    page.locator("#panel-sensitivity td").nth(8).wait_for()
    assert page.locator("#panel-sensitivity tbody tr").count() == 8
    page.click("#tab-equations")
    assert page.locator("#panel-equations math").count() > 8
    page.set_viewport_size({"width": 390, "height": 900})
    no_serious_violation(page)  # a long equation scrolls, by the keyboard too


def test_the_files_it_offers(opened):
    page = opened("escape-noise")
    for name, ending, begins in (("Python", "py", "import numpy"), ("CSV", "csv", "time,V"), ("SVG", "svg", "<svg")):
        page.get_by_role("button", name=name, exact=True).click()
        with page.expect_download() as download:
            page.get_by_role("link", name="Save").click()
        assert download.value.suggested_filename == f"EscapeNoiseIntegrateAndFire.{ending}"
        with open(download.value.path(), encoding="utf-8") as file:
            assert file.read().startswith(begins)
        page.get_by_role("button", name="Close").click()


def test_pin_and_chips(opened):
    page = opened("hh")
    page.get_by_role("button", name="Pin").click()
    assert page.get_by_role("button", name="Unpin").get_attribute("aria-pressed") == "true"
    height = page.locator("canvas.traces").bounding_box()["height"]
    page.get_by_label("sodium.current").check()
    assert page.locator("canvas.traces").bounding_box()["height"] > height


def test_a_notebooks_frame_runs_it(browser, files):
    page = browser.new_page()
    (files / "notebook.html").write_text(f"<p>a notebook</p>{rv.lab.scene(rv.neurons.Passive())._repr_html_()}", encoding="utf-8")
    page.goto((files / "notebook.html").as_uri())
    frame = page.frame_locator("iframe")
    frame.locator(".pictures > .summary", has_text="0 spikes").wait_for()
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", ["hh", "stp", "adex"])
def test_everyone_can_use_it(opened, name, width, scheme):
    page = opened(name, width, scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    small = page.evaluate(
        """[...document.querySelectorAll('button, input, select, a, summary')].map(e => [e, e.getBoundingClientRect()])
        .filter(([e, r]) => r.width && !['checkbox'].includes(e.type) && (r.height < 24 || r.width < 24)).map(([e]) => e.outerHTML)"""
    )
    assert small == []
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    found = axe.Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    assert [(v["id"], [n["html"][:120] for n in v["nodes"]]) for v in found if v["impact"] in ("serious", "critical")] == []


# -- the lab's server -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """`ranvier lab` as a process of its own, on a folder with a store: its address."""
    pytest.importorskip("uvicorn", reason="the extra lab is not installed")
    root = tmp_path_factory.mktemp("stores")
    cells = rv.Population(50, rv.neurons.PoissonSource(20.0), name="cells")
    target = rv.Population(2, rv.neurons.LeakyIntegrateAndFire(), current=300.0, name="target")
    record = rv.Record(target, "V", every=1.0)
    wires = rv.Projection(cells, target, rv.synapses.ExponentialCurrent(), rv.connect.all_to_all(), weight=1.0)
    rv.simulate(rv.Network(cells, target, wires), duration=1000.0, dt=0.1, record=record, store=root / "one.zarr")
    command = [sys.executable, "-m", "ranvier.cli", "lab", str(root), "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield process.stdout.readline().strip()
        process.terminate()


@pytest.fixture
def inside(browser, lab):
    contexts = []

    def open_(width=1280, scheme="light"):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page = context.new_page()
        asked, complaints = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(lab)
        page.wait_for_selector("html[data-ready=home]")
        contexts.append((context, asked, complaints))
        return page

    yield open_
    own = lab.partition("/#")[0]
    for context, asked, complaints in contexts:
        context.close()
        assert not complaints
        assert all(url.startswith((own, "blob:", "data:")) for url in asked)


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_a_store_is_explored_and_everyone_can(inside, width, scheme):
    page = inside(width, scheme)
    assert "token" not in page.url
    page.get_by_role("button", name="one.zarr").click()
    page.wait_for_selector("html[data-ready=store]")
    total = page.locator("main > .summary", has_text="neurons 0 to 51")
    total.wait_for()
    page.locator("canvas.raster").focus()
    page.keyboard.press("+")
    page.locator("main > .summary", has_text="from 250 to 750 ms").wait_for()
    page.keyboard.press("Escape")
    page.locator("main > .summary", has_text="from 0 to 1000 ms").wait_for()
    page.locator("#panel-statistics .summary", has_text="cells: ").wait_for()
    page.click("#tab-traces")
    page.locator("#panel-traces .summary", has_text="V of target").wait_for()
    page.click("#tab-wiring")
    page.locator("#panel-wiring .summary", has_text="100 edges from 50 sources to 2 targets").wait_for()
    page.click("#tab-provenance")
    assert "jax" in page.inner_text("#panel-provenance")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    no_serious_violation(page)
    page.get_by_role("button", name="Home").click()
    page.wait_for_selector("html[data-ready=home]")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    no_serious_violation(page)


def no_serious_violation(page):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    found = axe.Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    assert [(v["id"], [n["html"][:120] for n in v["nodes"]]) for v in found if v["impact"] in ("serious", "critical")] == []


@pytest.mark.parametrize(("width", "scheme"), [(1280, "dark"), (390, "light")])
def test_a_network_runs_in_the_page(inside, width, scheme):
    page = inside(width, scheme)
    page.get_by_role("button", name="COBA", exact=True).click()
    page.get_by_label("scale").fill("0.1")
    page.get_by_role("button", name="Start").click()
    page.locator(".summary", has_text="running: t = ").wait_for(timeout=60_000)
    page.get_by_role("button", name="Pause").click()
    page.locator(".summary", has_text="paused: t = ").wait_for()
    threshold = page.get_by_label("threshold, mV").first
    threshold.fill("-51")
    threshold.press("Enter")
    page.get_by_role("button", name="Step 10 ms").click()
    page.get_by_role("button", name="Stop").click()
    page.locator(".summary", has_text="stopped").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    no_serious_violation(page)


def test_a_run_is_kept_stopped_explored_and_resumed(inside):
    page = inside()
    page.get_by_role("button", name="CUBA", exact=True).click()
    page.get_by_label("scale").fill("0.05")
    page.get_by_label("keep in a store").check()
    page.get_by_label("duration (ms)").fill("100000")
    page.get_by_role("button", name="Start").click()
    page.locator(".summary", has_text="kept in cuba-seed0.zarr").wait_for(timeout=60_000)
    tau = page.get_by_label("tau, ms").first
    tau.fill("6")
    tau.press("Enter")
    page.locator(".message", has_text="keeps the parameters that it began with").wait_for()
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Explore the store").click()
    page.locator("header .summary", has_text="interrupted: ").wait_for()
    page.get_by_role("button", name="Resume the run").click()
    page.locator(".summary", has_text="running: t = ").wait_for(timeout=60_000)
    page.get_by_role("button", name="Stop").click()
    page.locator(".summary", has_text="stopped: t = ").wait_for()


def test_training_in_the_page(inside):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    page = inside(390, "dark")
    page.get_by_role("button", name="Digits, read by spikes").click()
    page.get_by_label("epochs").fill("2")
    page.get_by_role("button", name="Start").click()
    page.locator(".summary", has_text="complete: epoch 2 of 2").wait_for(timeout=60_000)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    no_serious_violation(page)


def test_a_cell_of_a_file_follows_the_file_and_keeps_what_was_moved(browser, tmp_path):
    pytest.importorskip("uvicorn", reason="the extra lab is not installed")
    file = tmp_path / "mine.py"
    text = "import ranvier as rv\nmodel = rv.neurons.Passive(leak=LEAK)\ncurrent = 1.0\n"
    file.write_text(text.replace("LEAK", "0.3"), encoding="utf-8")
    command = [sys.executable, "-m", "ranvier.cli", "lab", str(file), "--root", str(tmp_path), "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            page = browser.new_page()
            page.goto(process.stdout.readline().strip())
            scene = page.frame_locator("iframe")
            scene.get_by_label("duration, ms").fill("77")
            scene.get_by_label("duration, ms").press("Enter")
            file.write_text(text.replace("LEAK", "nothing"), encoding="utf-8")
            page.locator(".message", has_text="mine.py, line 2: NameError").wait_for()
            assert scene.get_by_label("duration, ms").input_value() == "77"
            file.write_text(text.replace("LEAK", "0.7"), encoding="utf-8")
            page.locator(".message", has_text="was read again").wait_for()
            scene.locator("input[title], input").first.wait_for()
            page.wait_for_timeout(500)
            assert scene.get_by_label("duration, ms").input_value() == "77"
            assert scene.get_by_label("leak, mS/cm²").input_value() == "0.7"
            page.close()
        finally:
            process.kill()
