"""The lab's numbers: from a slider to the picture, F–I curves, sizes, zooming in a store, a network that runs; in Debian's Chromium.

Beside it, what a slider costs where the page asks a running kernel for the same trace: `rv.simulate` in a warm process.

    python benchmarks/lab.py            # needs chromium, and pip install --group browser
    python benchmarks/lab.py --quick
"""

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from harness import arguments, save

import ranvier as rv
from ranvier.lab.server import stores
from ranvier.lab.server.stores import Window

PULSE = rv.stimuli.SquarePulse(10.0, start=20, stop=180)

READY = "Number(document.documentElement.dataset.ready)"  # ms since the navigation began
DRAG = """async moves => {
  const slider = document.querySelector('input[type=range]');
  const frames = [];
  let going = true;
  const beat = t => { frames.push(t); if (going) requestAnimationFrame(beat); };
  requestAnimationFrame(beat);
  performance.clearMeasures('slider to paint');
  for (let i = 0; i < moves; i++) {
    slider.value = String(100 + (i * 37) % 200);
    slider.dispatchEvent(new Event('input', {bubbles: true}));
    await new Promise(done => setTimeout(done, 60));
  }
  await new Promise(done => setTimeout(done, 300));
  going = false;
  return {paint: performance.getEntriesByName('slider to paint').map(e => e.duration),
    gaps: frames.slice(1).map((t, i) => t - frames[i])};
}"""
BUSY = """async moves => {
  const slider = document.querySelector('input[type=range]');
  let painted = 0;
  const seen = new PerformanceObserver(list => { painted += list.getEntries().length; });
  seen.observe({entryTypes: ['measure']});
  const began = performance.now();
  for (let i = 0; i < moves; i++) {
    slider.value = String(100 + (i * 37) % 200);
    slider.dispatchEvent(new Event('input', {bubbles: true}));
    await new Promise(requestAnimationFrame);
  }
  return {seconds: (performance.now() - began) / 1000, painted};
}"""
RATES = """async () => {
  const box = document.querySelector('#panel-rates input');
  const longest = [];
  let last = performance.now(), going = true;
  const beat = () => { const now = performance.now(); longest.push(now - last); last = now; if (going) setTimeout(beat, 0); };
  performance.clearMarks('rates-asked'); performance.clearMarks('rates-done');
  beat();
  box.dispatchEvent(new Event('change'));
  const text = document.querySelector('#panel-rates .summary');
  const asked = performance.now();
  let first = null;
  while (!performance.getEntriesByName('rates-done').length) {
    await new Promise(done => setTimeout(done, 5));
    if (first === null && text.textContent.startsWith('8 of')) first = performance.now() - asked;
  }
  going = false;
  return {first, whole: performance.now() - asked, blocked: Math.max(...longest)};
}"""


def spread(values) -> dict:
    values = sorted(values)
    return {"median": round(statistics.median(values), 1), "p95": round(values[int(0.95 * (len(values) - 1))], 1), "n": len(values)}


def scenes(options, folder: Path) -> dict:
    from playwright.sync_api import sync_playwright

    began = time.perf_counter()
    scene = rv.lab.scene(rv.neurons.HodgkinHuxley(), current=PULSE)
    first_scene = time.perf_counter() - began
    began = time.perf_counter()
    rv.lab.scene(rv.neurons.HodgkinHuxley(), current=PULSE)
    again = time.perf_counter() - began
    scene.save(folder / "hh.html")
    found = {"file_bytes": (folder / "hh.html").stat().st_size, "scene_seconds": {"first": round(first_scene, 3), "again": round(again, 3)}}
    moves = 20 if options.quick else 100
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        ready = []
        for _ in range(3 if options.quick else 9):
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.goto((folder / "hh.html").as_uri())
            page.wait_for_selector("html[data-ready]")
            ready.append(page.evaluate(READY))
            page.close()
        found["first_picture_ms"] = spread(ready)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto((folder / "hh.html").as_uri())
        page.locator("#panel-rates .summary", has_text="64 of 64").wait_for()
        dragged = page.evaluate(DRAG, moves)
        found["slider_to_paint_ms"] = spread(dragged["paint"])
        busy = page.evaluate(BUSY, moves)
        found["pictures_a_second_while_dragging"] = round(busy["painted"] / busy["seconds"], 1)
        page.wait_for_timeout(500)
        rates = [page.evaluate(RATES) for _ in range(2 if options.quick else 5)]
        found["rates_of_64_currents_ms"] = {
            name: spread([r[name] for r in rates if r[name] is not None]) for name in ("first", "whole", "blocked")
        }
        page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": 4})
        page.wait_for_timeout(500)
        found["slider_to_paint_ms_cpu_4_times_slower"] = spread(page.evaluate(DRAG, moves)["paint"])
        browser.close()
    return found


def by_kernel(options) -> dict:
    """The same picture by asking a warm Python process for it: what a re-run through a kernel costs at least."""
    seconds = []
    for i in range(5 if options.quick else 30):
        began = time.perf_counter()
        pulse = rv.stimuli.SquarePulse(10.0 + 0.1 * i, start=20, stop=180)
        rv.simulate(rv.neurons.HodgkinHuxley(), current=pulse, duration=200.0, dt=0.025, integrator=rv.RungeKutta4())
        seconds.append(time.perf_counter() - began)
    return spread([1000 * s for s in seconds[2:]])


def server(folder: Path) -> dict:
    command = [sys.executable, "-m", "ranvier.cli", "lab", str(folder), "--no-browser"]
    import httpx

    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            address, _, token = process.stdout.readline().strip().partition("/#token=")
            with httpx.Client(trust_env=False, headers={"origin": address}) as client:
                size = sum(len(client.get(address + path).content) for path in ("/", "/style.css", "/explore.js"))
                client.post(f"{address}/session", json={"token": token})
                client.get(f"{address}/api/stores")
            seconds.append(time.perf_counter() - began)
            process.terminate()
    return {"to_home_seconds": spread(seconds), "page_bytes": size}


def zoom(options, folder: Path) -> dict:
    """Windows on a store of many spikes, at random places."""
    n, rate, duration = (1000, 50.0, 2_000.0) if options.quick else (4000, 50.0, 50_000.0)
    place = folder / "many.zarr"
    if not place.exists():
        rv.simulate(rv.Population(n, rv.neurons.PoissonSource(rate), name="p"), duration=duration, dt=0.1, store=place, seed=1)
    run = rv.open_store(place)
    rng = np.random.default_rng(1)
    found = {"spikes": len(run.spikes)}
    for share in (1.0, 0.1, 0.01, 0.001):
        times = []
        for _ in range(10):
            t0 = rng.uniform(0, (1 - share) * duration)
            window = Window.of({"t0": t0, "t1": t0 + share * duration, "width": 1200, "height": 300}, run)
            began = time.perf_counter()
            stores.raster(run, window)
            times.append(1000 * (time.perf_counter() - began))
        found[f"window of {share:.1%}"] = spread(times)
    return found


LIVE = """async seconds => {
  performance.clearMarks('live-painted');
  await new Promise(done => setTimeout(done, 1000 * seconds));
  return performance.getEntriesByName('live-painted').length / seconds;
}"""


def live(options, folder: Path) -> dict:
    """COBA while it runs in the page: pictures a second, how fast it is beside a run alone, how soon it starts and stops."""
    from playwright.sync_api import sync_playwright

    seconds = 3.0 if options.quick else 10.0
    sim = rv.prepare(rv.models.coba(), dt=0.1, integrator=rv.ExponentialEuler(), seed=0)
    sim.run(100.0)
    began = time.perf_counter()
    sim.run(1000.0 * seconds)
    alone = seconds / (time.perf_counter() - began)
    command = [sys.executable, "-m", "ranvier.cli", "lab", "coba", "--root", str(folder), "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process, sync_playwright() as started:
        try:
            browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.goto(process.stdout.readline().strip())
            page.wait_for_selector("html[data-ready=run]")
            reached = "() => liveRun.drawn"
            first = []
            for _ in range(2):  # the second time it is compiled
                began = time.perf_counter()
                page.get_by_role("button", name="Start").click()
                page.wait_for_function("() => liveRun.total > 0", polling=10, timeout=120_000)
                first.append(round(time.perf_counter() - began, 2))
            page.wait_for_timeout(2000)
            t, clock = page.evaluate(reached), time.perf_counter()
            pictures = page.evaluate(LIVE, seconds)
            speed = (page.evaluate(reached) - t) / 1000 / (time.perf_counter() - clock)
            began = time.perf_counter()
            page.get_by_role("button", name="Stop").click()
            page.wait_for_function("() => liveRun.status === 'stopped'", polling=10)
            stopped = time.perf_counter() - began
            browser.close()
        finally:
            process.terminate()
    return {
        "pictures_a_second": round(pictures, 1),
        "times_real_time": {"alone": round(alone, 2), "in_the_page": round(speed, 2)},
        "seconds_to_first_spikes": {"compiling": first[0], "compiled": first[1]},
        "seconds_to_stop": round(stopped, 3),
    }


def main() -> None:
    options = arguments(__doc__)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = {"scene": scenes(options, folder), "slider_through_a_kernel_ms": by_kernel(options)}
        found["zoom_ms"] = zoom(options, folder)
        found["server"] = server(folder)
        found["coba_live"] = live(options, folder)
    save(__file__, options, found)


if __name__ == "__main__":
    main()
