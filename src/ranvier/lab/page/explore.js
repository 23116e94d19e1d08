// A store: its raster by zooming, traces, statistics, where it comes from.
"use strict";

const place = document.getElementById("lab");
const message = h("p", { class: "message", role: "status", hidden: true });
const live = h("div", { class: "unseen", "aria-live": "polite" });
function say(text) {
  message.textContent = text;
  message.hidden = !text;
}

// -- talking to the server -----------------------------------------------------------------------------

async function enter() {
  const given = new URLSearchParams(window.location.hash.slice(1)), token = given.get("token");
  home.first = given.get("show");
  if (token) {
    window.history.replaceState(null, "", "/");
    const answer = await fetch("/session", { method: "POST", body: JSON.stringify({ token }) });
    if (!answer.ok) throw new Error(await answer.text());
  }
}
/** What is said when nobody answers any more. */
function gone() {
  const kept = liveRun && liveRun.facts && liveRun.facts.kept;
  return `The lab's server does not answer. Is \`ranvier lab\` still running? ${kept ? `What the run has computed is kept in ${kept.name}: start the lab again and resume it there.` : "Start it again, and open the address that it prints."}`;
}
async function get(path) {
  const answer = await fetch(path).catch(() => { throw new Error(gone()); });
  const text = await answer.text();
  let read;
  try { read = JSON.parse(text); } catch { throw new Error(text); }
  if (!answer.ok) throw new Error(read.error || text);
  return read;
}

let socket = null, number = 0;
const waiting = new Map();
/** Asks over the WebSocket; `got(kind, header, numbers)` is called unless a newer request of the panel has overtaken it. */
function ask(op, panel, details, got) {
  const id = ++number;
  for (const [other, w] of waiting) if (w.panel === panel) waiting.delete(other);
  waiting.set(id, { panel, got });
  const text = JSON.stringify({ id, op, panel, ...details });
  if (socket && socket.readyState === WebSocket.OPEN) return socket.send(text);
  if (!socket || socket.readyState > WebSocket.OPEN) connect();
  socket.addEventListener("open", () => socket.send(text), { once: true });
}
function connect() {
  socket = new WebSocket(`ws://${window.location.host}/ws`);
  socket.binaryType = "arraybuffer";
  socket.onmessage = event => {
    const view = new DataView(event.data);
    if (view.getUint32(0, true) !== 0x314c5652) return;
    const kind = view.getUint16(4, true), id = view.getUint32(8, true), size = view.getUint32(12, true);
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(event.data, 16, size)));
    if (header.live) return heardRun(kind, header, event.data.slice(16 + size));
    const asked = waiting.get(id);
    waiting.delete(id);
    if (!asked) return;
    if (kind === 5) return say(header.error);
    say("");
    asked.got(kind, header, event.data.slice(16 + size));
  };
  socket.onclose = () => {
    if (!waiting.size && !going() && !liveTraining) return;
    say(gone());
    if (liveRun) { liveRun.status = "stopped"; tellRun(); }
  };
}

// -- home ----------------------------------------------------------------------------------------------

const amount = x => Math.round(x).toLocaleString("en").replace(/,/g, "\u202f");

async function home() {
  const [stores, scenes, networks, file] = await Promise.all(["/api/stores", "/api/scenes", "/api/networks", "/api/file"].map(get));
  const rows = stores.map(s => h("tr", {},
    h("th", { scope: "row" }, s.problem ? s.name : h("button", { type: "button", onclick: () => open(s.id, s.name).catch(fail) }, s.name)),
    ...(s.problem ? [h("td", { colspan: "4" }, s.problem)]
      : [s.status, `${short(s.reached / 1000)} of ${short(s.target / 1000)} s`, amount(s.neurons), amount(s.spikes)].map(t => h("td", {}, t)))));
  const show = name => openRun(name).catch(fail);
  place.replaceChildren(h("header", {}, h("h1", {}, "Ranvier lab")), message,
    h("section", { "aria-labelledby": "of-stores" }, h("h2", { id: "of-stores" }, "Stores"),
      rows.length ? h("div", { class: "scroll", tabindex: "0", role: "group", "aria-labelledby": "of-stores" }, h("table", { class: "stores" }, h("thead", {}, h("tr", {}, ...["store", "status", "time", "neurons", "spikes"].map(t => h("th", { scope: "col" }, t)))), h("tbody", {}, rows)))
        : h("p", {}, "There are no stores here. A network below, started with “keep in a store”, makes one; so do rv.simulate(…, store=\"run.zarr\") and ranvier run NAME --store run.zarr.")),
    h("section", { "aria-labelledby": "of-networks" }, h("h2", { id: "of-networks" }, "Networks"),
      h("ul", { class: "cards" }, networks.map(n => h("li", {}, h("button", { type: "button", onclick: () => show(n.name) }, n.title), h("span", {}, n.summary))))),
    h("section", { "aria-labelledby": "of-training" }, h("h2", { id: "of-training" }, "Training"),
      h("ul", { class: "cards" }, h("li", {}, h("button", { type: "button", onclick: openTraining }, "Digits, read by spikes"), h("span", {}, "Loss, errors and spikes, epoch by epoch, while a network of 400 neurons learns to read.")))),
    h("section", { "aria-labelledby": "of-scenes" }, h("h2", { id: "of-scenes" }, "Scenes"), h("p", {}, "A cell, a synapse or a rule in a page of its own, every parameter a slider."),
      h("ul", { class: "scenes" }, file.scene ? h("li", {}, h("button", { type: "button", onclick: () => openScene(file.name) }, file.name)) : null,
        scenes.map(name => h("li", {}, h("a", { class: "button", href: `/api/scene?name=${encodeURIComponent(name)}` }, name))))), live);
  if (file.problem) say(file.problem);
  document.documentElement.dataset.ready = "home";
  if (home.first) {
    const first = home.first;
    home.first = null;
    if (file.name === first && file.scene) openScene(first); else show(first);
  } else if (stores.length === 1 && stores[0].root && !stores[0].problem && !home.seen) open(stores[0].id, stores[0].name).catch(fail);
  home.seen = true;
}

// -- one store -------------------------------------------------------------------------------------------

let store = null;

async function open(id, name) {
  const facts = await get(`/api/store?id=${encodeURIComponent(id)}`);
  store = { id, name, facts, view: whole(facts), raster: null };
  const canvas = h("canvas", { class: "raster", role: "img", tabindex: "0" });
  const summary = h("p", { class: "summary" });
  const status = h("p", { class: "summary" });
  const resume = h("button", { type: "button", hidden: !facts.resumable, onclick: () => continueRun(id, name) }, "Resume the run");
  Object.assign(store, { canvas, summary, status, resume });
  const studies = [
    { id: "statistics", title: "Statistics", element: makeStatistics() },
    { id: "traces", title: "Traces", element: makeTraces() },
    { id: "wiring", title: "Connectivity", element: makeWiring() },
    { id: "provenance", title: "Provenance", element: makeProvenance() },
  ];
  place.replaceChildren(
    h("header", {}, h("h1", {}, name), status,
      h("div", { class: "row", role: "toolbar", "aria-label": "Store" },
        h("button", { type: "button", onclick: () => { store = null; home().catch(fail); } }, "Home"),
        resume,
        h("button", { type: "button", onclick: () => look(whole(store.facts)) }, "Whole run"),
        h("button", { type: "button", onclick: () => zoomBy(0.5) }, "Zoom in"),
        h("button", { type: "button", onclick: () => zoomBy(2) }, "Zoom out"),
        h("span", {}, "Export:"),
        ...["csv", "npz", "nwb", "sonata"].map(to => h("a", { class: "button", href: `/api/export?id=${encodeURIComponent(id)}&to=${to}`, download: "" }, to)))),
    message, h("div", {}, canvas), summary, tabs(studies, () => refreshStudies()), live);
  bindRaster(canvas);
  new ResizeObserver(() => { if (store && store.canvas === canvas) look(store.view); }).observe(canvas.parentElement);
  tell();
  refreshStudies();
  document.documentElement.dataset.ready = "store";
}
/** Long stretches are in seconds: by what the milliseconds are divided, and what it is called. */
const timeUnit = (t0, t1) => (t1 - t0 > 5000 ? [1000, "time (s)"] : [1, "time (ms)"]);
const whole = facts => ({ t0: facts.start, t1: Math.max(facts.reached, facts.start + facts.facts.dt), n0: 0, n1: facts.facts.n });

function tell() {
  const f = store.facts;
  store.resume.hidden = !f.resumable;
  store.status.textContent = `${f.status}: ${short(f.reached / 1000)} of ${short(f.target / 1000)} s, ${amount(f.facts.n)} neurons, ${amount(f.spikes)} spikes`;
}

/** Shows another part of the raster. */
function look(view) {
  const f = store.facts, least = f.facts.dt * 4;
  const t = Math.max(least, view.t1 - view.t0), n = Math.max(1, Math.min(f.facts.n, Math.round(view.n1 - view.n0)));
  const t0 = Math.min(Math.max(f.start, view.t0), Math.max(f.start, f.reached - t)), n0 = Math.round(Math.min(Math.max(0, view.n0), f.facts.n - n));
  store.view = { t0, t1: Math.min(t0 + t, Math.max(f.reached, f.start + least)), n0, n1: n0 + n };
  const width = Math.max(280, store.canvas.parentElement.clientWidth) - MARGIN.left - MARGIN.right;
  performance.mark("looked");
  ask("view", "raster", { store: store.id, ...store.view, width, height: 300 }, (kind, header, numbers) => {
    if (!store) return;
    store.raster = { kind, header, numbers };
    drawRaster();
    performance.measure("look to paint", "looked");
    clearTimeout(look.later);
    look.later = setTimeout(refreshStudies, 250);
  });
}
function zoomBy(factor, at) {
  const { t0, t1, n0, n1 } = store.view, t = at ? at.t : (t0 + t1) / 2, share = (t - t0) / (t1 - t0);
  look({ t0: t - share * (t1 - t0) * factor, t1: t + (1 - share) * (t1 - t0) * factor, n0, n1 });
}

function drawRaster() {
  const { kind, header, numbers } = store.raster, c = colors();
  const width = Math.max(280, store.canvas.parentElement.clientWidth), height = 360;
  const g = canvasSurface(store.canvas, width, height);
  const box = { x: MARGIN.left, y: MARGIN.top, w: width - MARGIN.left - MARGIN.right, h: height - MARGIN.top - 44 };
  const [unit, xLabel] = timeUnit(header.t0, header.t1);
  const { X, Y } = drawAxes(g, box, { x: [header.t0 / unit, header.t1 / unit], y: [header.n0, header.n1], xLabel, yLabel: "neuron", series: [] }, c);
  const tone = store.facts.populations.map((p, i) => c.lines[i % c.lines.length]);
  const of = n => store.facts.populations.findIndex(p => n >= p.first && n < p.first + p.n);
  if (kind === 2) {
    const all = new Uint32Array(numbers), count = all.length / 2, size = Math.max(1, Math.min(4, box.h / (header.n1 - header.n0)));
    let last = -2;
    for (let i = 0; i < count; i++) {
      const n = all[count + i], p = of(n);
      if (p !== last) g.fillStyle = tone[(last = p)] || c.text;
      g.fillRect(X(((header.k0 + all[i]) * header.dt) / unit), Y(n + 1), 1.5, size);
    }
  } else {
    const counts = new Uint16Array(numbers), image = document.createElement("canvas");
    image.width = header.width;
    image.height = header.height;
    const context = image.getContext("2d"), pixels = context.createImageData(header.width, header.height);
    let most = 1;
    for (const x of counts) if (x > most) most = x;
    const rgb = tone.map(t => [1, 3, 5].map(i => parseInt(t.slice(i, i + 2), 16)));
    for (let row = 0; row < header.height; row++) {
      const [r, gg, b] = rgb[Math.max(0, of(Math.floor(header.n0 + ((row + 0.5) / header.height) * (header.n1 - header.n0))))] || [128, 128, 128];
      for (let column = 0; column < header.width; column++) {
        const x = counts[row * header.width + column];
        if (!x) continue;
        const at = 4 * ((header.height - 1 - row) * header.width + column);
        pixels.data[at] = r;
        pixels.data[at + 1] = gg;
        pixels.data[at + 2] = b;
        pixels.data[at + 3] = 70 + 185 * Math.sqrt(x / most);
      }
    }
    context.putImageData(pixels, 0, 0);
    g.imageSmoothingEnabled = false;
    g.drawImage(image, box.x, box.y, box.w, box.h);
  }
  const names = store.facts.populations.filter(p => p.first < header.n1 && p.first + p.n > header.n0).slice(0, 12).map(p => p.name).join(", ");
  const text = `${amount(header.spikes)} spikes from ${short(header.t0)} to ${short(header.t1)} ms, neurons ${header.n0} to ${header.n1 - 1} (${names})${header.coarse ? ", counted in bins" : ""}.`;
  store.summary.textContent = text;
  store.canvas.setAttribute("aria-label", text);
  clearTimeout(drawRaster.later);
  drawRaster.later = setTimeout(() => { live.textContent = text; }, 1000);
}

function bindRaster(canvas) {
  let from = null;
  const at = event => {
    const frame = canvas.getBoundingClientRect(), { t0, t1, n0, n1 } = store.view;
    const x = (event.clientX - frame.left - MARGIN.left) / (frame.width - MARGIN.left - MARGIN.right);
    const y = (event.clientY - frame.top - MARGIN.top) / (frame.height - MARGIN.top - 44);
    return { t: t0 + Math.min(1, Math.max(0, x)) * (t1 - t0), n: n1 - Math.min(1, Math.max(0, y)) * (n1 - n0), x: event.clientX, y: event.clientY };
  };
  canvas.addEventListener("pointerdown", event => { from = at(event); canvas.setPointerCapture(event.pointerId); });
  canvas.addEventListener("pointerup", event => {
    const to = at(event);
    if (from && Math.abs(to.x - from.x) > 6) {
      const tall = Math.abs(to.y - from.y) > 20;
      look({ t0: Math.min(from.t, to.t), t1: Math.max(from.t, to.t), n0: tall ? Math.floor(Math.min(from.n, to.n)) : store.view.n0, n1: tall ? Math.ceil(Math.max(from.n, to.n)) : store.view.n1 });
    }
    from = null;
  });
  canvas.addEventListener("dblclick", () => look(whole(store.facts)));
  canvas.addEventListener("wheel", event => {
    event.preventDefault();
    zoomBy(event.deltaY > 0 ? 1.25 : 0.8, at(event));
  }, { passive: false });
  canvas.addEventListener("keydown", event => {
    const { t0, t1, n0, n1 } = store.view, t = (t1 - t0) / 5, n = Math.max(1, (n1 - n0) / 5);
    const moved = { ArrowLeft: [-t, 0], ArrowRight: [t, 0], ArrowUp: [0, n], ArrowDown: [0, -n] }[event.key];
    if (moved) look({ t0: t0 + moved[0], t1: t1 + moved[0], n0: n0 + moved[1], n1: n1 + moved[1] });
    else if (event.key === "+") zoomBy(0.5);
    else if (event.key === "-") zoomBy(2);
    else if (event.key === "Escape") look(whole(store.facts));
    else return;
    event.preventDefault();
  });
}

// -- studies -----------------------------------------------------------------------------------------------

function refreshStudies() {
  if (!store) return;
  const tab = document.querySelector("[role=tab][aria-selected=true]");
  if (tab && tab.id === "tab-statistics") store.statistics();
  if (tab && tab.id === "tab-traces") store.traces();
  if (tab && tab.id === "tab-wiring") store.wiring();
}
function plotIn(element, height, read = false) {
  const width = Math.max(280, element.parentElement.clientWidth);
  return [canvasSurface(element, width, height, read), { x: MARGIN.left, y: MARGIN.top, w: width - MARGIN.left - MARGIN.right, h: height - MARGIN.top - 44 }];
}
const greatest = values => values.reduce((a, b) => Math.max(a, b), 0) || 1;

function makeStatistics() {
  if (!store.facts.populations.length) return h("p", {}, "There are no populations.");
  let population = store.facts.populations[0].name;
  const text = h("p", { class: "summary" });
  const plots = Object.fromEntries(["over_time", "rates", "intervals", "variations", "spectrum"].map(name => [name, h("canvas", { role: "img" })]));
  const titles = { over_time: "rate over time (Hz)", rates: "neurons by rate (Hz)", intervals: "intervals (ms)", variations: "neurons by CV of their intervals", spectrum: "power of the rate by frequency (Hz)" };
  store.statistics = () => {
    const { t0, t1 } = store.view;
    if (!text.textContent) text.textContent = "…";
    ask("stats", "statistics", { store: store.id, population, t0, t1 }, (kind, s) => {
      text.textContent = `${s.population}: ${amount(s.spikes)} spikes of ${amount(s.neurons)} neurons, ${s.rate.toFixed(2)} Hz, CV ${s.cv === null ? "–" : s.cv.toFixed(2)}, from ${short(s.t0)} to ${short(s.t1)} ms.${s.whole ? "" : " (The window is long: its first part.)"}`;
      for (const [name, canvas] of Object.entries(plots)) {
        const c = colors(), [g, box] = plotIn(canvas, 190), values = s[name].values;
        const [unit, time] = name === "over_time" ? timeUnit(s.t0, s.t1) : [1, ""], from = s[name].from / unit, step = s[name].step / unit;
        const line = name === "over_time" || name === "spectrum";
        const x = values.flatMap((_, i) => (line ? [from + i * step] : [from + i * step, from + (i + 1) * step]));
        const y = values.flatMap(v => (line ? [v] : [v, v]));
        drawAxes(g, box, { x: [from, from + Math.max(1, values.length) * step], y: [0, greatest(values) * 1.06], xLabel: time || titles[name], yLabel: name === "over_time" ? "rate (Hz)" : "", series: [{ x, y, color: c.lines[0] }] }, c);
        canvas.setAttribute("aria-label", `${s.population}: ${titles[name]}, at most ${short(greatest(values))}`);
      }
    });
  };
  return h("div", {}, h("div", { class: "row" }, choice("population", store.facts.populations.map(p => [p.name, p.name]), population, v => { population = v; store.statistics(); }).element), text,
    h("div", { class: "grid" }, Object.values(plots).map(canvas => h("div", {}, canvas))));
}

function makeTraces() {
  const records = store.facts.records;
  store.traces = () => {};
  if (!records.length) return h("p", {}, "Nothing was recorded but the spikes.");
  let at = 0, columns = [0];
  const canvas = h("canvas", { role: "img" }), text = h("p", { class: "summary" });
  const which = h("input", { type: "text", value: "0", "aria-label": "columns" });
  which.addEventListener("change", () => {
    columns = which.value.split(/[\s,]+/).filter(Boolean).map(Number).slice(0, 6);
    store.traces();
  });
  store.traces = () => {
    const { t0, t1 } = store.view, r = records[at], width = Math.max(200, canvas.parentElement.clientWidth - MARGIN.left - MARGIN.right);
    ask("rows", "traces", { store: store.id, part: r.part, variable: r.variable, columns, t0, t1, width }, (kind, header, numbers) => {
      const values = new Float32Array(numbers), c = colors(), [g, box] = plotIn(canvas, 260), n = header.width;
      let low = Infinity, high = -Infinity;
      for (const v of values) if (Number.isFinite(v)) { low = Math.min(low, v); high = Math.max(high, v); }
      const [unit, xLabel] = timeUnit(header.t0, header.t1), t0 = header.t0 / unit, t1 = header.t1 / unit;
      const series = header.columns.map((_, j) => {
        const part = values.subarray(2 * n * j, 2 * n * (j + 1));
        return { x: { from: t0, step: (t1 - t0) / Math.max(1, 2 * n - 1) }, y: part, color: c.lines[j % c.lines.length], dash: DASHES[j % DASHES.length], width: 1.3 };
      });
      drawAxes(g, box, { x: [t0, t1], y: range(low, high), xLabel, yLabel: `${header.variable} ${unitText(header.unit) ? `(${unitText(header.unit)})` : ""}`, series }, c);
      text.textContent = `${header.variable} of ${header.part}, columns ${header.columns.join(", ")}: from ${short(low)} to ${short(high)} ${unitText(header.unit)}`;
      canvas.setAttribute("aria-label", text.textContent);
    });
  };
  return h("div", {}, h("div", { class: "row" },
    choice("record", records.map((r, i) => [String(i), `${r.part}: ${r.variable}`]), "0", v => { at = Number(v); columns = [0]; which.value = "0"; store.traces(); }).element,
    h("label", { class: "choice" }, h("span", {}, "columns"), which)), h("div", {}, canvas), text);
}

/** Who is wired to whom: edges by groups of sources and targets, degrees, weights, delays. */
function makeWiring() {
  const names = store.facts.projections;
  store.wiring = () => {};
  if (!names.length) return h("p", {}, "There are no projections.");
  let at = names[0], shown = null;
  const matrix = h("canvas", { role: "img" }), text = h("p", { class: "summary" });
  const titles = { in_degree: "edges onto a target", out_degree: "edges from a source", weights: "weight", delays: "delay (ms)" };
  const plots = Object.fromEntries(Object.keys(titles).map(name => [name, h("canvas", { role: "img" })]));
  const draw = () => {
    const w = shown, c = colors(), width = Math.max(280, matrix.parentElement.clientWidth), size = Math.min(width - MARGIN.left - MARGIN.right, 360);
    const g = canvasSurface(matrix, width, size + MARGIN.top + 44), box = { x: MARGIN.left, y: MARGIN.top, w: size, h: size };
    drawAxes(g, box, { x: [0, w.sources], y: [0, w.seen], xLabel: `source (${w.source})`, yLabel: `target (${w.targets.join(", ")})`, series: [] }, c);
    const image = document.createElement("canvas"), most = greatest(w.counts), [red, green, blue] = [1, 3, 5].map(i => parseInt(c.lines[0].slice(i, i + 2), 16));
    image.width = w.columns;
    image.height = w.rows;
    const context = image.getContext("2d"), pixels = context.createImageData(w.columns, w.rows);
    w.counts.forEach((count, i) => {
      const row = Math.floor(i / w.columns);
      pixels.data.set([red, green, blue, count ? 40 + 215 * (count / most) : 0], 4 * ((w.rows - 1 - row) * w.columns + (i % w.columns)));
    });
    context.putImageData(pixels, 0, 0);
    g.imageSmoothingEnabled = false;
    g.drawImage(image, box.x, box.y, box.w, box.h);
    for (const [name, canvas] of Object.entries(plots)) {
      const { from, step, values, mean } = w[name], [p, place] = plotIn(canvas, 190);
      const title = name === "weights" ? `weight${unitText(w.unit) ? ` (${unitText(w.unit)})` : ""}${w.learnt ? ", as it was learnt" : ""}` : titles[name];
      const x = values.flatMap((_, i) => [from + i * step, from + (i + 1) * step]), y = values.flatMap(v => [v, v]);
      drawAxes(p, place, { x: [from, from + Math.max(1, values.length) * step], y: [0, greatest(values) * 1.06], xLabel: title, yLabel: name.endsWith("degree") ? "neurons" : "edges", series: [{ x, y, color: c.lines[0] }] }, c);
      canvas.setAttribute("aria-label", `${title}: mean ${mean === null ? "–" : short(Number(mean.toPrecision(4)))}`);
    }
    text.textContent = `${amount(w.edges)} edges from ${amount(w.sources)} sources to ${amount(w.n_targets)} targets; each target has ${short(Number((w.in_degree.mean || 0).toPrecision(4)))}, each source ${short(Number((w.out_degree.mean || 0).toPrecision(4)))} on average; mean weight ${w.weights.mean === null ? "–" : short(Number(w.weights.mean.toPrecision(4)))} ${unitText(w.unit)}, mean delay ${w.delays.mean === null ? "–" : short(Number(w.delays.mean.toPrecision(4)))} ms.${w.seen < w.n_targets ? ` Drawn: the first ${amount(w.seen)} targets.` : ""}`;
    matrix.setAttribute("aria-label", text.textContent);
  };
  store.wiring = async () => {
    if (shown && shown.projection === at) return draw();
    const mine = store;
    text.textContent = "…";
    try {
      const found = await get(`/api/connectivity?id=${encodeURIComponent(mine.id)}&projection=${encodeURIComponent(at)}`);
      if (store !== mine) return;
      shown = found;
      draw();
    } catch (error) { text.textContent = String(error.message); }
  };
  return h("div", {}, h("div", { class: "row" }, choice("projection", names.map(n => [n, n]), at, v => { at = v; store.wiring(); }).element), text,
    h("div", {}, matrix), h("div", { class: "grid" }, Object.values(plots).map(canvas => h("div", {}, canvas))));
}

function makeProvenance() {
  const list = h("dl");
  const add = (name, value) => list.append(h("dt", {}, name), h("dd", {}, typeof value === "object" ? JSON.stringify(value) : String(value)));
  for (const [name, value] of Object.entries(store.facts.facts)) add(name, value);
  for (const p of store.facts.populations) add("population", `${p.name}: ${amount(p.n)} neurons`);
  for (const p of store.facts.projections) add("projection", p);
  const { sessions = [], script, git, network_hash: network, ...versions } = store.facts.provenance;
  for (const [name, value] of Object.entries(versions)) add(name, value);
  if (script) add("script", `${script.name}, SHA-256 ${String(script.sha256).slice(0, 16)}…`);
  if (git) add("commit", `${git.commit}${git.changed ? ", with changes" : ""}`);
  if (network) add("network", `SHA-256 ${network.slice(0, 16)}…`);
  for (const s of sessions) add("session", `${s.started} to ${s.ended || "?"}: step ${s.from_step} to ${s.to_step === undefined ? "?" : s.to_step}, ${s.status || "running"}`);
  return list;
}

/** While the run goes on, what is new: a view that reached the end follows it. */
setInterval(async () => {
  if (!store || !["running"].includes(store.facts.status) || document.hidden) return;
  const mine = store;
  try {
    const facts = await get(`/api/store?id=${encodeURIComponent(mine.id)}`);
    if (store !== mine) return;
    const followed = mine.view.t1 >= mine.facts.reached - 1e-9, before = mine.facts.reached;
    mine.facts = facts;
    tell();
    if (followed && facts.reached > before) look(mine.view.t0 <= facts.start ? whole(facts) : { ...mine.view, t0: mine.view.t0 + facts.reached - before, t1: facts.reached });
  } catch (error) { say(String(error.message)); }
}, 2000);

const fail = error => {
  if (!place.contains(message)) place.replaceChildren(h("h1", {}, "Ranvier lab"), message);
  say(String(error.message || error));
  document.documentElement.dataset.ready = "failed";
};
palette.addEventListener("change", () => { if (store && store.raster) { drawRaster(); refreshStudies(); } });
enter().then(home).catch(fail);
