// The page of a scene: controls at the left, traces and studies at the right.

const defaults = copy(SCENE.settings);
let settings = readLink() || copy(defaults);
let result = null, pinned = null, cursor = null, zoom = null;
const history = { past: [], future: [], kept: JSON.stringify(settings) };
const shown = new Set(firstShown());
const controls = [];  // {path, show}
const calm = window.matchMedia("(prefers-reduced-motion: reduce)");

// -- the workers -----------------------------------------------------------------------------------

/** Something that answers requests: a worker, or this page where none can be made. */
function helper(onmessage) {
  try {
    const text = ["engine", "model", "worker"].map(id => document.getElementById(id).textContent).join("\n");
    const worker = new Worker(URL.createObjectURL(new Blob(['"use strict";\n', text], { type: "text/javascript" })));
    worker.onmessage = event => onmessage(event.data);
    return request => worker.postMessage(request);
  } catch {
    const answer = serve(message => setTimeout(() => onmessage(message), 0));
    return request => setTimeout(() => answer(request), 0);
  }
}

let requests = 0;
const waiting = {};
const nameOf = (job, lane) => `${job} ${lane || 0}`;
function received({ id, job, lane, part, result: whole, error }) {
  const name = nameOf(job, lane), request = waiting[name];
  if (!request || request.id !== id) return;
  if (part) return request.onpart(part);
  delete waiting[name];
  if (error) return say(`This cannot be computed: ${error}`);
  request.onresult(whole);
}
let askRun = null;
const askStudy = [];
const LANES = Math.min(4, Math.max(1, navigator.hardwareConcurrency || 1));
/** Asks a worker: the one for runs, or one of those for studies, its `lane`. */
function ask(job, details, onresult, onpart, lane = 0) {
  const id = ++requests;
  waiting[nameOf(job, lane)] = { id, onresult, onpart };
  if (job === "run") askRun ||= helper(received); else askStudy[lane] ||= helper(received);
  (job === "run" ? askRun : askStudy[lane])({ id, job, lane, settings, ...details });
}

let running = false, again = false;
/** Runs with the settings of now. While a run goes on, one more waits, and it takes the newest settings. */
function run() {
  if (running) { again = true; return; }
  running = true;
  ask("run", { stride: strideOf(settings) }, whole => {
    running = false;
    result = whole;
    paint();
    if (again) { again = false; run(); }
  });
}

const strideOf = ({ duration, dt }) => Math.max(1, Math.ceil(duration / dt / 20000));

/** The first picture is made here: a worker would still be starting. */
function firstRun() {
  if (settings.duration / settings.dt > 50000) return run();
  try {
    result = simulate(SCENE, PARTS, settings, { stride: strideOf(settings) });
    paint();
  } catch { run(); }
}

// -- settings: changes, undo, link --------------------------------------------------------------------

const valueAt = path => path.split("|").reduce((place, key) => place[key], settings);
function change(path, value, done = true) {
  settings = withValue(settings, path, value);
  performance.mark("slider-moved");
  if (done) keep();
  run();
}
function keep() {
  const now = JSON.stringify(settings);
  if (now === history.kept) return;
  history.past.push(history.kept);
  history.future = [];
  history.kept = now;
  writeLink();
  historyButtons();
  restudy();
}
function travel(from, to) {
  if (!from.length) return;
  to.push(history.kept);
  history.kept = from.pop();
  settings = JSON.parse(history.kept);
  writeLink();
  refresh();
}
function refresh() {
  buildControls();
  historyButtons();
  restudy();
  run();
}
/** What differs from the scene as it came, for the link. */
function differences() {
  const found = {};
  const walk = (a, b, path) => {
    if (a !== null && typeof a === "object" && b !== null && typeof b === "object") {
      for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) walk(a[key], b[key], [...path, key]);
    } else if (a !== b) found[path.join("|")] = a === undefined ? null : a;
  };
  walk(settings, defaults, []);
  return found;
}
function linkHash() {
  const found = differences();
  return Object.keys(found).length ? `#${encodeURIComponent(JSON.stringify(found))}` : "";
}
function writeLink() {
  try { window.history.replaceState(null, "", linkHash() || "#"); } catch { /* a frame without an address */ }
}
function readLink() {
  try {
    const found = JSON.parse(decodeURIComponent(window.location.hash.slice(1)));
    const read = copy(defaults);
    for (const [path, value] of Object.entries(found)) {
      const keys = path.split("|"), last = keys.pop();
      let place = read;
      for (const key of keys) {
        if (!Object.hasOwn(place, key)) place[key] = {};
        place = place[key];
      }
      const kind = typeof place[last];
      if (kind !== "undefined" && kind !== typeof value && value !== null) return null;
      place[last] = value;
    }
    return SCENE.integrators[read.integrator] ? read : null;
  } catch { return null; }
}

// -- what is shown --------------------------------------------------------------------------------------

const PAIR = SCENE.cells.length > 1;
const label = (part, name) => (PAIR ? `${part} ${name}` : name);
const columnKey = column => `${column.part}|${column.name}`;

function columnsOfScene() {
  const found = [];
  for (const key of SCENE.cells) {
    const facts = SCENE.parts[key];
    for (const name of facts.variables) found.push({ part: key, name, unit: facts.units[name] });
    if (facts.takesInput) found.push({ part: key, name: "injected_current", unit: facts.inputUnit });
    for (const name of facts.observables) found.push({ part: key, name, unit: facts.units[name], observed: true });
  }
  for (const s of SCENE.synapses) {
    for (const key of [s.key, ...[s.plasticity, s.rule].filter(Boolean)]) {
      for (const name of SCENE.parts[key].variables) found.push({ part: key, name, unit: (SCENE.parts[key].units || {})[name] || "1" });
    }
    if (SCENE.parts[s.key].transmits) found.push({ part: SCENE.cells[s.target], name: "synaptic_current", unit: SCENE.parts[SCENE.cells[s.target]].inputUnit, observed: true });
  }
  return found;
}
function firstShown() {
  return columnsOfScene().filter(c => !c.observed && c.name !== "last_spike" && !(SCENE.cells.length > 1 && (c.name === "injected_current" || (SCENE.cells.includes(c.part) && c.name !== "V"))))
    .map(c => `${c.part}|${c.name}`);
}

/** The panels, from top to bottom: potentials, then what else there is by part and unit, the stimulus last. */
function panelsShown() {
  const panels = [];
  for (const column of columnsOfScene()) {
    if (!shown.has(columnKey(column))) continue;
    const stimulus = column.name === "injected_current", potential = column.name === "V";
    const group = stimulus ? "stimulus" : `${PAIR ? column.part : ""}|${column.unit}`;
    let panel = panels.find(p => p.group === group);
    if (!panel) panels.push((panel = { group, columns: [], unit: column.unit, order: stimulus ? 3 : potential && !PAIR ? 0 : 1, part: column.part }));
    panel.columns.push(column);
  }
  SCENE.cells.forEach((key, i) => {
    if (!SCENE.parts[key].variables.includes("V")) panels.push({ group: `spikes ${key}`, columns: [], unit: "1", order: 1, part: key, raster: i });
  });
  const place = p => (p.order === 3 ? 99 : PAIR ? { [SCENE.cells[0]]: 0, synapse: 2, plasticity: 1, rule: 2.5, [SCENE.cells[1]]: 3 }[p.part] : p.order);
  return panels.sort((a, b) => place(a) - place(b));
}


function paint() {
  const width = Math.max(280, canvas.parentElement.clientWidth);
  const panels = panelsShown();
  const height = drawTraces(canvasSurface(canvas, width, tracesHeight(panels)), width, panels);
  canvas.setAttribute("aria-label", summary());
  summaryText.textContent = summary();
  drawLegend(panels);
  if (!calm.matches || !playing) announce(summary());
  performance.mark("painted");
  if (performance.getEntriesByName("slider-moved").length) performance.measure("slider to paint", "slider-moved", "painted");
  performance.clearMarks("slider-moved");
  performance.clearMarks("painted");
  if (!document.documentElement.dataset.ready) {
    document.documentElement.dataset.ready = String(Math.round(performance.now()));
  }
  if (study === "plane") drawPlane();
  return height;
}
const panelHeight = panel => (panel.raster !== undefined ? 24 : panel.columns.some(c => c.name === "V") ? 190 : panel.group === "stimulus" ? 70 : 110);
const tracesHeight = panels => panels.reduce((sum, p) => sum + panelHeight(p) + MARGIN.top + 6, 46);

function timeRange() {
  return zoom || [0, result ? result.steps * result.dt : settings.duration];
}

function drawTraces(g, width, panels) {
  const c = colors();
  let y = MARGIN.top;
  panels.forEach((panel, i) => {
    const box = { x: MARGIN.left, y, w: width - MARGIN.left - MARGIN.right, h: panelHeight(panel) };
    const series = [], lines = [], spikes = [];
    let low = Infinity, high = -Infinity;
    panel.columns.forEach((column, j) => {
      for (const [which, of] of [["pinned", pinned && pinned.result], ["now", result]]) {
        const found = of && of.columns.find(x => x.part === column.part && x.name === column.name);
        if (!found) continue;
        for (const v of found.values) {
          if (v < low && v > -1e8) low = v;
          if (v > high && v < 1e8) high = v;
        }
        series.push({
          x: { from: 0, step: of.dt * of.stride }, y: found.values, width: which === "pinned" ? 1 : 1.6,
          color: which === "pinned" ? c.text : c.lines[j % c.lines.length], dash: which === "pinned" ? [3, 3] : DASHES[j % DASHES.length],
        });
      }
      const facts = SCENE.parts[column.part];
      if (column.name === "V" && result) {
        if (facts.threshold >= 0) lines.push({ y: Number(settings.P[column.part][facts.threshold]), dash: [6, 4] });
        const at = SCENE.cells.indexOf(column.part);
        spikes.push({ times: result.spikes[at].map(k => k * result.dt), color: c.text, row: 0 });
      }
    });
    if (panel.raster !== undefined && result) spikes.push({ times: result.spikes[panel.raster].map(k => k * result.dt), color: c.text, row: 0.5 });
    if (cursor !== null) lines.push({ x: cursor, dash: [2, 2] });
    const [from, to] = panel.raster !== undefined ? [0.1, 0.9] : range(low, high);
    const unit = unitText(panel.unit);
    const name = panel.raster !== undefined ? panel.part : panel.columns.length === 1 ? niceName(panel.columns[0].name) : panel.columns.some(x => x.name === "V") ? "V" : PAIR ? panel.part : unit ? "" : "gates";
    drawAxes(g, box, {
      x: timeRange(), y: spikes.length ? [from, to + 0.08 * (to - from)] : [from, to], series, lines, spikes,
      bare: panel.raster !== undefined, xLabel: i === panels.length - 1 ? "time (ms)" : undefined, yLabel: [name, unit && `(${unit})`].filter(Boolean).join(" "),
    }, c);
    y += box.h + MARGIN.top + 6;
  });
  return y;
}
const niceName = name => ({ injected_current: "stimulus", synaptic_current: "synaptic current" })[name] || name;

function drawLegend(panels) {
  const c = colors();
  const chips = columnsOfScene().map(column => {
    const panel = panels.find(p => p.columns.some(x => columnKey(x) === columnKey(column)));
    const at = panel ? panel.columns.findIndex(x => columnKey(x) === columnKey(column)) : -1;
    const box = h("input", { type: "checkbox", checked: shown.has(columnKey(column)), onchange: () => {
      if (box.checked) shown.add(columnKey(column)); else shown.delete(columnKey(column));
      paint();
    } });
    const swatch = h("span", { class: "swatch" });
    if (at >= 0) swatch.style.background = c.lines[at % c.lines.length];
    return h("label", { class: "chip" }, box, swatch, label(column.part, niceName(column.name)));
  });
  const before = JSON.stringify([...shown]) + palette.matches;
  if (legend.dataset.of === before) return;
  legend.dataset.of = before;
  legend.replaceChildren(...chips);
}

function summary() {
  if (!result) return "Not run yet.";
  const seconds = (result.steps * result.dt) / 1000;
  const of = SCENE.cells.map((key, i) => {
    const n = result.spikes[i].length, V = result.columns.find(x => x.part === key && x.name === "V");
    const text = `${PAIR ? `${key}: ` : ""}${n} ${n === 1 ? "spike" : "spikes"}, ${short(Number((n / seconds).toPrecision(3)))} Hz`;
    if (!V) return text;
    let low = Infinity, high = -Infinity;
    for (const v of V.values) { low = Math.min(low, v); high = Math.max(high, v); }
    return `${text}, V from ${short(Number(low.toPrecision(3)))} to ${short(Number(high.toPrecision(3)))} ${unitText(SCENE.parts[key].units.V)}`;
  });
  const bad = result.bad === null ? "" : ` The run went wrong at ${short(result.bad)} ms: try a smaller dt.`;
  return `${of.join("; ")}.${bad}`;
}
let announced = 0, announcing = null;
function announce(text) {
  clearTimeout(announcing);
  announcing = setTimeout(() => {
    announced = performance.now();
    if (live.textContent !== text) live.textContent = text;
  }, Math.max(0, 1000 - (performance.now() - announced)));
}
function say(text) {
  message.textContent = text;
  message.hidden = !text;
}

// -- the controls ------------------------------------------------------------------------------------------

function buildControls() {
  const open = new Set([...form.querySelectorAll("details")].filter(d => !d.open).map(d => d.dataset.name));
  let ids = 0;
  const one = (path, text, p) => parameterControl({
    id: `p${ids++}`, label: text, p, value: Number(valueAt(path)), initial: Number(path.split("|").reduce((a, k) => a[k], defaults)),
    onchange: (value, done) => change(path, value, done),
  }).element;
  const group = (name, title, ...rows) => h("details", { open: !open.has(name), "data-name": name, "aria-label": title }, h("summary", {}, title), ...rows);
  const blocks = [];
  const simulation = [
    one("duration", "duration", { unit: "ms", low: 1, high: 20000, text: "how long the run is" }),
    one("dt", "dt", { unit: "ms", low: 0.001, high: 1, text: "the time step" }),
    choice("integrator", Object.keys(SCENE.integrators).map(n => [n, n]), settings.integrator, v => change("integrator", v)).element,
  ];
  if (usesChance()) simulation.push(one("seed", "seed", { unit: "1", low: 0, text: "of everything random" }));
  SCENE.cells.forEach((key, i) => {
    const kinds = SCENE.stimuli[i];
    if (!settings.drive[i]) return;
    const kind = settings.drive[i].kind;
    const names = { Constant: "constant", SquarePulse: "pulse", Ramp: "ramp", Steps: "steps", Sine: "sine", WhiteNoise: "noise", yours: "yours" };
    const rows = [choice("form", Object.keys(kinds).filter(k => k !== "poke").map(k => [k, names[k] || k]), kind, v => { change(`drive|${i}|kind`, v); refresh(); }).element,
      ...stimulusRows(kinds[kind], one)];
    const poke = h("input", { type: "checkbox", checked: Boolean(settings.drive[i].poke), onchange: () => { change(`drive|${i}|poke`, poke.checked); refresh(); } });
    rows.push(h("label", { class: "choice" }, poke, h("span", {}, "poke: a short pulse on top")));
    if (settings.drive[i].poke) rows.push(...stimulusRows(kinds.poke, one));
    blocks.push(group(`stimulus ${key}`, PAIR ? `Stimulus of ${key}` : "Stimulus", ...rows));
  });
  if (settings.train) {
    blocks.unshift(group("train", "Spikes of pre",
      one("train|rate", "rate", { unit: "Hz", low: 0.1, text: "of a regular train" }), one("train|count", "spikes", { unit: "1", low: 0, high: 200, text: "how many" }),
      one("train|start", "start", { unit: "ms", low: 0, text: "the first spike" }), one("train|recovery", "recovery", { unit: "ms", low: 0, text: "one more spike so long after the last; 0: none" })));
  }
  for (const s of SCENE.synapses) {
    const rows = [one("weight", s.rule ? "weight at the start" : "weight", { unit: weightUnit(s), text: "of the synapse" })];
    if (SCENE.parts[s.key].delivers) rows.push(one("delay", "delay", { unit: "ms", low: 0, text: "from a spike to its arrival" }));
    blocks.push(group("synapse", SCENE.parts[s.key].class, ...rows, ...parameterRows(s.key, one)));
    if (s.plasticity) {
      const on = h("input", { type: "checkbox", checked: settings.plastic !== false, onchange: () => change("plastic", on.checked) });
      blocks.push(group("plasticity", SCENE.parts[s.plasticity].class, h("label", { class: "choice" }, on, h("span", {}, "on")), ...presetRow(s.plasticity), ...parameterRows(s.plasticity, one)));
    }
  }
  for (const s of SCENE.synapses) {
    if (s.rule) blocks.push(group("rule", SCENE.parts[s.rule].class, ...presetRow(s.rule), ...parameterRows(s.rule, one)));
  }
  for (const key of SCENE.cells) {
    if (!SCENE.parts[key].parameters.some(p => !Array.isArray(p.value)) || SCENE.parts[key].fires === "given") continue;
    const parts = {};
    SCENE.parts[key].parameters.forEach((p, i) => {
      if (Array.isArray(p.value)) return;
      const at = p.name.lastIndexOf(".");
      (parts[p.name.slice(0, Math.max(at, 0))] ||= []).push([i, p.name.slice(at + 1), p]);
    });
    blocks.push(group(key, PAIR ? `${SCENE.parts[key].class} (${key})` : SCENE.parts[key].class, ...presetRow(key)));
    for (const [part, list] of Object.entries(parts)) {
      const rows = list.map(([i, name, p]) => one(`P|${key}|${i}`, name, p));
      if (part) blocks.push(group(`${key} ${part}`, PAIR ? `${key}: ${part}` : part, ...rows)); else blocks[blocks.length - 1].append(...rows);
    }
  }
  blocks.push(group("simulation", "Simulation", ...simulation));
  form.replaceChildren(...blocks);
}
const usesChance = () => SCENE.cells.some((key, i) => SCENE.parts[key].fires === "hazard" || SCENE.parts[key].noisy || (settings.drive[i] && SCENE.parts[SCENE.stimuli[i][settings.drive[i].kind]].noisy));
const parameterRows = (key, one) => SCENE.parts[key].parameters.flatMap((p, i) => (Array.isArray(p.value) ? [] : [one(`P|${key}|${i}`, p.name, p)]));
function stimulusRows(key, one) {
  const facts = SCENE.parts[key];
  return [...parameterRows(key, one), ...facts.parameters.flatMap((p, i) => (Array.isArray(p.value) ? [listRow(key, i, p)] : []))];
}
/** A list of numbers, as text. */
function listRow(key, i, p) {
  const n = settings.P[key][i].length;
  const box = h("input", { type: "text", value: settings.P[key][i].filter(x => Number.isFinite(Number(x))).slice(0, 200).map(x => Number(Number(x).toPrecision(5))).join(" "), readonly: n > 200 && "readonly" });
  box.addEventListener("change", () => {
    const read = box.value.split(/[\s,;]+/).filter(Boolean).map(Number).slice(0, n);
    if (read.some(x => !Number.isFinite(x))) return say(`${p.name}: numbers, with spaces between.`);
    say("");
    change(`P|${key}|${i}`, [...read, ...Array(n - read.length).fill("Infinity")]);
  });
  return h("label", { class: "choice" }, h("span", {}, `${p.name}${unitText(p.unit) ? ` (${unitText(p.unit)})` : ""}`), box);
}
function weightUnit(s) {
  const unit = SCENE.parts[SCENE.cells[s.target]].inputUnit, per = { "uA/cm^2": "mS/cm^2", pA: "nS", nA: "uS" };
  return { conductance: per[unit] || `${unit}/mV`, current: unit, potential: "mV" }[SCENE.parts[s.key].weight];
}
function presetRow(key) {
  const presets = SCENE.parts[key].presets || [];
  if (!presets.length) return [];
  const start = ["", "as it came"];
  const { element } = choice("preset", [start, ...presets.map(p => [p.call, p.name])], "", v => {
    const found = presets.find(p => p.call === v);
    settings = withValue(settings, `P|${key}`, copy(found ? found.values : defaults.P[key]));
    keep();
    refresh();
    if (found) say(found.text);
  });
  return [element];
}

// -- studies ---------------------------------------------------------------------------------------------------

let study = "rates";
const cell = SCENE.cells.length - 1;
const facts = SCENE.parts[SCENE.cells[cell]];
const moving = facts.moving.map(v => facts.variables[v]);
const studies = {};

function studyCanvas(height = 300) {
  return h("canvas", { role: "img", tabindex: "0", "data-height": String(height) });
}
function surfaceOf(element) {
  const width = Math.max(280, element.parentElement.clientWidth), height = Number(element.dataset.height);
  return [canvasSurface(element, width, height), { x: MARGIN.left, y: MARGIN.top, w: width - MARGIN.left - MARGIN.right, h: height - MARGIN.top - 44 }];
}
const after = text => h("p", { class: "summary" }, text || "");

function makeRates() {
  const element = studyCanvas(), text = after(), points = [];
  let state = null;
  const from = h("input", { type: "number", step: "any" }), to = h("input", { type: "number", step: "any" }), settling = h("input", { type: "number", step: "any", min: "0", value: "100" });
  const reset = () => {
    const size = Math.abs(driveSize()) || 1;
    from.value = "0";
    to.value = String(Number((2 * size).toPrecision(3)));
  };
  reset();
  const draw = () => {
    const [g, box] = surfaceOf(element), c = colors();
    const done = points.filter(Boolean).sort((a, b) => a.current - b.current);
    const top = done.reduce((m, p) => Math.max(m, p.rate, Number.isFinite(p.instant) ? p.instant : 0), 1);
    drawAxes(g, box, {
      x: [Number(from.value), Number(to.value)], y: [0, top * 1.08], xLabel: `constant current (${unitText(facts.inputUnit)})`, yLabel: "rate (Hz)",
      series: [
        { x: done.map(p => p.current), y: done.map(p => p.instant), color: c.lines[1], dash: [7, 3] },
        { x: done.map(p => p.current), y: done.map(p => p.rate), color: c.lines[0], points: 2.5, line: true },
      ],
    }, c);
    const firing = done.find(p => p.rate > 0);
    text.textContent = `${done.length} of ${state ? state.count : 0} currents. Full line: rate after ${settling.value} ms; dashed: of the first interval. ${firing ? `It fires from ${short(firing.current)} ${unitText(facts.inputUnit)} on.` : "It does not fire."}`;
    element.setAttribute("aria-label", text.textContent);
  };
  const start = () => {
    points.length = 0;
    state = { count: 64 };
    performance.mark("rates-asked");
    let done = 0, open = LANES;
    for (let lane = 0; lane < LANES; lane++) {
      ask("rates", { cell, low: Number(from.value), high: Number(to.value), count: 64, duration: Math.max(500, Number(settling.value) + 200), settle: Number(settling.value), lanes: LANES },
        () => {
          if (--open) return;
          draw();
          performance.mark("rates-done");
        },
        point => {
          points[point.i] = point;
          if (++done % 8 === 0) draw();
        }, lane);
    }
  };
  for (const box of [from, to, settling]) box.addEventListener("change", start);
  return { title: "F–I", start, draw, element: h("div", {}, h("div", { class: "row" }, numberLabel("from", from), numberLabel("to", to), numberLabel("settling time (ms)", settling)), element, text) };
}
const numberLabel = (text, box) => h("label", { class: "choice" }, h("span", {}, text), box);
function driveSize() {
  const drive = settings.drive[cell];
  if (!drive) return 1;
  return settings.P[SCENE.stimuli[cell][drive.kind]].flat().map(Number).filter(Number.isFinite)[drive.kind === "Ramp" ? 1 : 0] || 1;
}

let plane = null;
function makePlane() {
  const element = studyCanvas(380), text = after();
  const second = ["n", "w", "u", "W", "h"].flatMap(last => moving.filter(n => n.split(".").pop() === last))[0] || moving.find(n => n !== "V");
  let x = "V", y = second, hold = "steady";
  const options = moving.map(n => [n, n]);
  const row = h("div", { class: "row" },
    choice("across", options, x, v => { x = v; start(); }).element,
    choice("up", options, y, v => { y = v; start(); }).element,
    moving.length > 2 ? choice("others", [["steady", "settled at each point"], ["held", "as at the cursor"]], hold, v => { hold = v; start(); }).element : null);
  const at = name => facts.variables.indexOf(name);
  const valuesAt = t => {
    const rowAt = Math.min(result.columns[0].values.length - 1, Math.max(0, Math.round(t / (result.dt * result.stride))));
    return facts.variables.map(name => result.columns.find(c => c.part === SCENE.cells[cell] && c.name === name).values[rowAt]);
  };
  const column = name => result.columns.find(c => c.part === SCENE.cells[cell] && c.name === name);
  const start = () => {
    if (!result) return;
    const t = cursor === null ? settings.duration / 2 : cursor;
    const span = name => {
      let low = Infinity, high = -Infinity;
      for (const v of column(name).values) { low = Math.min(low, v); high = Math.max(high, v); }
      if (high - low < 1e-6) return name === "V" ? [low - 20, high + 20] : [low - 0.5, high + 0.5];
      return [low - 0.12 * (high - low), high + 0.12 * (high - low)];
    };
    const injected = column("injected_current");
    const current = injected ? injected.values[Math.min(injected.values.length - 1, Math.round(t / (result.dt * result.stride)))] : 0;
    const [a, b] = [span(x), span(y)];
    ask("plane", { cell, x: at(x), y: at(y), low: [a[0], b[0]], high: [a[1], b[1]], n: 121, others: hold === "held" || moving.length <= 2 ? valuesAt(t) : null, current, time: t },
      found => { plane = { ...found, xName: x, yName: y, current, t }; draw(); });
  };
  const draw = () => {
    if (!plane || !result) return;
    const [g, box] = surfaceOf(element), c = colors();
    const { n, low, high, dx, dy } = plane;
    const arrows = [];
    const size = [(high[0] - low[0]) / 26, (high[1] - low[1]) / 26];
    for (let r = 5; r < n; r += 10) {
      for (let q = 5; q < n; q += 10) {
        const u = dx[r * n + q] / (high[0] - low[0]), v = dy[r * n + q] / (high[1] - low[1]), length = Math.hypot(u, v);
        if (!(length > 0)) continue;
        const px = low[0] + ((high[0] - low[0]) * q) / (n - 1), pyy = low[1] + ((high[1] - low[1]) * r) / (n - 1);
        arrows.push([[px, pyy], [px + (u / length) * size[0], pyy + (v / length) * size[1]]]);
      }
    }
    const X = column(plane.xName), Y = column(plane.yName);
    const rowAt = Math.min(X.values.length - 1, Math.round((cursor === null ? 0 : cursor) / (result.dt * result.stride)));
    drawAxes(g, box, {
      x: [low[0], high[0]], y: [low[1], high[1]], xLabel: `${plane.xName} ${unitLabel(plane.xName)}`, yLabel: `${plane.yName} ${unitLabel(plane.yName)}`,
      segments: [
        { list: arrows, color: c.flow, width: 1 },
        { list: zeroLines(dx, n, low, high), color: c.lines[1], dash: [7, 3] },
        { list: zeroLines(dy, n, low, high), color: c.lines[2], dash: [2, 3] },
      ],
      series: [{ x: X.values, y: Y.values, color: c.lines[0] }, { x: [X.values[rowAt]], y: [Y.values[rowAt]], color: c.text, points: 5 }],
    }, c);
    text.textContent = `Dashed: d${plane.xName}/dt = 0; dotted: d${plane.yName}/dt = 0, at a current of ${short(plane.current)} ${unitText(facts.inputUnit)} (that of ${short(plane.t)} ms: move the cursor of the traces). Full: the run. A click sets where the run begins.`;
    element.setAttribute("aria-label", text.textContent);
  };
  element.addEventListener("click", event => {
    if (!plane) return;
    const frame = element.getBoundingClientRect(), w = frame.width - MARGIN.left - MARGIN.right, hh = 380 - MARGIN.top - 44;
    const vx = plane.low[0] + ((event.clientX - frame.left - MARGIN.left) / w) * (plane.high[0] - plane.low[0]);
    const vy = plane.high[1] - ((event.clientY - frame.top - MARGIN.top) / hh) * (plane.high[1] - plane.low[1]);
    const key = SCENE.cells[cell];
    settings = { ...copy(settings), initial: { ...(settings.initial || {}), [key]: { ...((settings.initial || {})[key] || {}), [plane.xName]: Number(vx.toPrecision(5)), [plane.yName]: Number(vy.toPrecision(5)) } } };
    keep();
    run();
  });
  return { title: "Phase plane", start, draw, element: h("div", {}, row, element, text) };
}
const unitLabel = name => (unitText(facts.units[name]) ? `(${unitText(facts.units[name])})` : "");
const drawPlane = () => studies.plane && studies.plane.draw();

function makeGates() {
  const rest = studyCanvas(230), tau = studyCanvas(230), text = after();
  let found = null;
  const start = () => ask("gates", { cell, low: -100, high: 60, n: 161 }, whole => { found = whole; draw(); });
  const draw = () => {
    if (!found) return;
    const c = colors();
    const list = found.found.filter(f => f.tau.some(Number.isFinite));
    for (const [element, what, yLabel] of [[rest, "rest", "value at rest"], [tau, "tau", "time constant (ms)"]]) {
      const [g, box] = surfaceOf(element);
      let low = 0, high = -Infinity;
      for (const f of list) for (const v of f[what]) if (Number.isFinite(v) && v < 1e6) { high = Math.max(high, v); low = Math.min(low, v); }
      drawAxes(g, box, {
        x: [-100, 60], y: [low, high > low ? high * 1.05 : low + 1], xLabel: "V (mV)", yLabel,
        series: list.map((f, i) => ({ x: found.V, y: f[what], color: c.lines[i % c.lines.length], dash: DASHES[i % DASHES.length], width: 2 })),
      }, c);
    }
    text.replaceChildren(...list.map((f, i) => {
      const swatch = h("span", { class: "swatch" });
      swatch.style.background = c.lines[i % c.lines.length];
      return h("span", { class: "key" }, swatch, f.name);
    }));
    for (const element of [rest, tau]) element.setAttribute("aria-label", `${element === rest ? "Values at rest" : "Time constants"} over the potential, of ${list.map(f => f.name).join(", ")}`);
  };
  return { title: "Gates", start, draw, element: h("div", {}, text, rest, tau) };
}

function makeSensitivity() {
  const body = h("tbody"), text = after("Change of each quantity in percent, for one percent more of the parameter.");
  const table = h("table", {}, h("thead", {}, h("tr", {}, ...["parameter", "rate", "first spike", "mean V"].map(t => h("th", { scope: "col" }, t)))), body);
  const start = () => {
    body.replaceChildren(h("tr", {}, h("td", { colspan: "4" }, "…")));
    ask("sensitivity", { cell, settle: 0 }, ({ base, rows }) => {
      const relative = (row, what) => (100 * (row.up[what] - row.down[what])) / 2 / Math.abs(base[what] || NaN);
      rows.sort((a, b) => Math.abs(relative(b, "rate")) - Math.abs(relative(a, "rate")) || 0);
      body.replaceChildren(...rows.map(row => h("tr", {}, h("th", { scope: "row" }, label(row.key, row.name)),
        ...["rate", "latency", "mean"].map(what => {
          const v = relative(row, what), bar = h("span", { class: "bar" });
          bar.style.width = `${Math.min(100, 12 * Math.abs(v) || 0)}%`;
          return h("td", {}, Number.isFinite(v) ? `${Math.abs(v) < 0.005 ? "" : v > 0 ? "+" : "−"}${Math.abs(v).toFixed(2)}` : "–", bar);
        }))));
    });
  };
  return { title: "Sensitivity", start, draw() {}, element: h("div", {}, text, table) };
}

/** The window of a rule: what pairs of spikes so far apart make of the weight. */
function makeWindow(rule) {
  const element = studyCanvas(320), text = after();
  const box = (value, more) => h("input", { type: "number", step: "any", value: String(value), onchange: () => start(), ...more });
  const span = box(80, { min: "1" }), pairs = box(10, { min: "1", max: "500", step: "1" }), frequency = box(1, { min: "0.1" });
  let found = null;
  const start = () => {
    const asked = { rule, span: Math.max(1, span.valueAsNumber || 80), pairs: Math.min(500, Math.max(1, Math.round(pairs.valueAsNumber) || 1)), frequency: Math.max(0.1, frequency.valueAsNumber || 1), count: 161 };
    ask("window", asked, result => { found = { ...result, ...asked }; draw(); });
  };
  const draw = () => {
    if (!found) return;
    const [g, place] = surfaceOf(element), c = colors(), half = (found.lags.length - 1) / 2;
    const lags = Array.from(found.lags), change = Array.from(found.change);
    const low = Math.min(0, ...change), high = Math.max(0, ...change);
    drawAxes(g, place, {
      x: [-found.span, found.span], y: range(low, high), xLabel: "spike of post after the arrival (ms)", yLabel: "change of the weight (%)",
      lines: [{ x: 0, color: c.grid, dash: [] }, { y: 0, color: c.grid, dash: [] }],
      series: [{ x: lags.slice(0, half), y: change.slice(0, half), color: c.lines[1], width: 2 }, { x: lags.slice(half), y: change.slice(half), color: c.lines[0], width: 2 }],
    }, c);
    const most = change.indexOf(Math.max(...change)), least = change.indexOf(Math.min(...change));
    text.textContent = `${found.pairs} pairs at ${short(found.frequency)} Hz: at most ${short(Number(change[most].toPrecision(3)))} % at ${short(lags[most])} ms, at least ${short(Number(change[least].toPrecision(3)))} % at ${short(lags[least])} ms. It is the rule alone, from the weight at the start.`;
    element.setAttribute("aria-label", text.textContent);
  };
  return { title: "Window", start, draw, element: h("div", {}, h("div", { class: "row" }, numberLabel("up to (ms)", span), numberLabel("pairs", pairs), numberLabel("at (Hz)", frequency)), element, text) };
}

function makeEquations() {
  const made = document.getElementById("equations");
  return { title: "Equations", start() {}, draw() {}, element: made ? made.content.cloneNode(true) : h("p", {}, "This class states no equations.") };
}

function restudy() {
  if (studies[study] && study !== "equations") studies[study].start();
}

// -- buttons ---------------------------------------------------------------------------------------------------------

function dialog(title, text, name) {
  const area = h("textarea", { readonly: "readonly", rows: "16", "aria-label": title });
  area.value = text;
  const url = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  const box = h("dialog", { "aria-label": title, onclose: () => { URL.revokeObjectURL(url); box.remove(); } },
    h("h2", {}, title), area,
    h("div", { class: "row" },
      h("button", { type: "button", onclick: () => { area.select(); if (navigator.clipboard) navigator.clipboard.writeText(text).catch(() => document.execCommand("copy")); else document.execCommand("copy"); } }, "Copy"),
      name ? h("a", { class: "button", href: url, download: name }, "Save") : null,
      h("button", { type: "button", onclick: () => box.close() }, "Close")));
  document.body.append(box);
  box.showModal();
}
function csvText() {
  const columns = result.columns, rows = [["time", ...columns.map(c => label(c.part, c.name))].join(",")];
  for (let i = 0; i < columns[0].values.length; i++) rows.push([Number((i * result.stride * result.dt).toPrecision(12)), ...columns.map(c => c.values[i])].join(","));
  return rows.join("\n") + "\n";
}
function svgText() {
  const width = Math.max(280, canvas.parentElement.clientWidth), panels = panelsShown();
  const surface = new SvgSurface(width, tracesHeight(panels), colors().background);
  drawTraces(surface, width, panels);
  return surface.text();
}
const fileName = ending => `${SCENE.title.replace(/[^\w-]+/g, "_").slice(0, 60) || "scene"}.${ending}`;
const pinButton = h("button", { type: "button", "aria-pressed": "false", onclick: () => {
  pinned = pinned ? null : { settings: copy(settings), result };
  pinButton.setAttribute("aria-pressed", String(Boolean(pinned)));
  pinButton.textContent = pinned ? "Unpin" : "Pin";
  paint();
} }, "Pin");
const undoButton = h("button", { type: "button", onclick: () => travel(history.past, history.future) }, "Undo");
const redoButton = h("button", { type: "button", onclick: () => travel(history.future, history.past) }, "Redo");
const playButton = h("button", { type: "button", onclick: () => play(!playing) }, "Play");
function historyButtons() {
  undoButton.disabled = !history.past.length;
  redoButton.disabled = !history.future.length;
}
let playing = false;
/** Moves the cursor through the run, and with it the point in the phase plane. */
function play(on) {
  playing = on;
  playButton.textContent = on ? "Stop" : "Play";
  if (!on) return;
  const [from, to] = timeRange(), began = performance.now(), at = cursor === null || cursor >= to ? from : cursor;
  const frame = now => {
    if (!playing) return;
    cursor = at + ((now - began) / 8000) * (to - from);
    if (cursor >= to) { cursor = to; play(false); }
    paint();
    if (playing) requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}

// -- the page -----------------------------------------------------------------------------------------------------------

const form = h("form", { class: "controls", "aria-label": "Parameters", onsubmit: event => event.preventDefault() });
const canvas = h("canvas", { role: "img", tabindex: "0", class: "traces" });
const legend = h("div", { class: "legend", role: "group", "aria-label": "What is drawn" });
const summaryText = h("p", { class: "summary" });
const readout = h("p", { class: "readout" });
const live = h("div", { class: "unseen", "aria-live": "polite" });
const message = h("p", { class: "message", role: "status", hidden: true });

function timeAt(event) {
  const frame = canvas.getBoundingClientRect(), [from, to] = timeRange();
  const share = (event.clientX - frame.left - MARGIN.left) / (frame.width - MARGIN.left - MARGIN.right);
  return Math.min(to, Math.max(from, from + share * (to - from)));
}
function setCursor(t) {
  cursor = t;
  if (result && t !== null) {
    const i = Math.min(result.columns[0] ? result.columns[0].values.length - 1 : 0, Math.round(t / (result.dt * result.stride)));
    const read = result.columns.filter(c => shown.has(columnKey(c))).map(c => `${label(c.part, niceName(c.name))} ${short(Number(c.values[i].toPrecision(4)))}`);
    readout.textContent = `t ${short(Number(t.toPrecision(5)))} ms: ${read.join(", ")}`;
  }
  requestAnimationFrame(paint);
}
let dragged = null;
canvas.addEventListener("pointerdown", event => { dragged = timeAt(event); });
canvas.addEventListener("pointermove", event => { if (result && event.pointerType === "mouse") setCursor(timeAt(event)); });
canvas.addEventListener("pointerup", event => {
  const t = timeAt(event), [from, to] = timeRange();
  if (dragged !== null && Math.abs(t - dragged) > 0.02 * (to - from)) zoom = [Math.min(t, dragged), Math.max(t, dragged)];
  else setCursor(t);
  dragged = null;
  if (study === "plane") restudy();
  paint();
});
canvas.addEventListener("dblclick", () => { zoom = null; paint(); });
canvas.addEventListener("keydown", event => {
  const [from, to] = timeRange(), step = (to - from) / (event.shiftKey ? 20 : 200), t = cursor === null ? (from + to) / 2 : cursor;
  if (event.key === "ArrowRight") setCursor(Math.min(to, t + step));
  else if (event.key === "ArrowLeft") setCursor(Math.max(from, t - step));
  else if (event.key === "+") { zoom = [Math.max(0, t - (to - from) / 4), Math.min(settings.duration, t + (to - from) / 4)]; paint(); }
  else if (event.key === "-" || event.key === "Escape") { zoom = null; paint(); }
  else return;
  event.preventDefault();
});
document.addEventListener("keydown", event => {
  if (event.key === " " && !/^(INPUT|BUTTON|SELECT|TEXTAREA|SUMMARY|A)$/.test(event.target.tagName)) {
    event.preventDefault();
    play(!playing);
  } else if ((event.ctrlKey || event.metaKey) && event.key === "z" && event.target.tagName !== "TEXTAREA") {
    event.preventDefault();
    if (event.shiftKey) travel(history.future, history.past); else travel(history.past, history.future);
  }
});

const learning = SCENE.synapses.map(s => s.rule).find(Boolean);
Object.assign(studies, learning ? { window: makeWindow(learning) } : {}, !PAIR && facts.takesInput ? { rates: makeRates() } : {}, !PAIR && moving.includes("V") && moving.length > 1 ? { plane: makePlane() } : {},
  !PAIR && moving.includes("V") && moving.length > 1 ? { gates: makeGates() } : {}, { sensitivity: makeSensitivity(), equations: makeEquations() });
study = Object.keys(studies)[0];

document.getElementById("scene").append(
  h("header", {}, h("h1", {}, SCENE.title), h("p", {}, (SCENE.summary || facts.summary).replace(/`/g, "")),
    h("div", { class: "row", role: "toolbar", "aria-label": "Scene" }, playButton, pinButton, undoButton, redoButton,
      h("button", { type: "button", onclick: () => { settings = copy(defaults); keep(); refresh(); } }, "Reset"),
      h("button", { type: "button", onclick: () => dialog("Python", pythonScript(settings), fileName("py")) }, "Python"),
      h("button", { type: "button", onclick: () => dialog("CSV", csvText(), fileName("csv")) }, "CSV"),
      h("button", { type: "button", onclick: () => dialog("SVG", svgText(), fileName("svg")) }, "SVG"),
      h("button", { type: "button", onclick: () => dialog("Link", window.location.href.split("#")[0] + linkHash(), null) }, "Link"))),
  h("div", { class: "columns" }, form,
    h("div", { class: "pictures" }, message, h("div", {}, canvas), summaryText, readout, legend,
      tabs(Object.entries(studies).map(([id, s]) => ({ id, title: s.title, element: s.element })), id => { study = id; studies[id].start(); studies[id].draw(); }))),
  live);

buildControls();
historyButtons();
firstRun();
new ResizeObserver(() => { if (result) { paint(); if (studies[study]) studies[study].draw(); } }).observe(canvas.parentElement);
palette.addEventListener("change", () => { paint(); if (studies[study]) studies[study].draw(); });
window.addEventListener("hashchange", () => { const read = readLink(); if (read && JSON.stringify(read) !== history.kept) { settings = read; keep(); refresh(); } });
(window.requestIdleCallback || setTimeout)(() => {
  askRun = askRun || helper(received);
  restudy();
});
