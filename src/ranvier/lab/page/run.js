// A network while it runs: its spikes and traces as they come, its weights as they are learnt, its parameters under the hand.

let liveRun = null;
const still = window.matchMedia("(prefers-reduced-motion: reduce)");
const SPAN = 500;  // ms that are shown

function command(op, details = {}) {
  const text = JSON.stringify({ id: ++number, op, panel: "live", ...details });
  if (!socket || socket.readyState > WebSocket.OPEN) connect();
  if (socket.readyState === WebSocket.OPEN) socket.send(text);
  else socket.addEventListener("open", () => socket.send(text), { once: true });
  return number;
}
const going = () => liveRun && ["building", "compiling", "running", "paused"].includes(liveRun.status);
const fresh = () => ({ facts: null, drawn: 0, spikes: [], rows: new Map(), weights: null, log: [], t: 0, total: 0, pictures: 0, speed: 0, rates: "", status: "building" });

function leaveRun() {
  if (going()) command("stop");
  liveRun = null;
  home().catch(fail);
}
const actions = (...buttons) => h("div", { class: "row", role: "toolbar", "aria-label": "Run" },
  h("button", { type: "button", onclick: leaveRun }, "Home"), ...buttons);
const pauseButton = () => h("button", { type: "button", disabled: true, onclick: () => command(liveRun.status === "paused" ? "resume" : "pause") }, "Pause");
const stopButton = () => h("button", { type: "button", disabled: true, onclick: () => command("stop") }, "Stop");

function runPictures() {
  const make = label => h("canvas", { role: "img", tabindex: "0", "aria-label": label });
  const canvas = make("Spikes"), traces = make("Traces");
  const summary = h("p", { class: "summary" }), changes = h("p", { class: "summary" });
  const boxes = { raster: h("div", {}, canvas), traces: h("div", { hidden: true }, traces), weights: h("div", { hidden: true }, make("Weights")) };
  new ResizeObserver(wantPicture).observe(boxes.raster);
  return { canvas, traces, boxes, summary, changes, element: h("div", { class: "pictures" }, boxes.raster, summary, changes, boxes.traces, boxes.weights) };
}

/** The page of a network that is started here. */
async function openRun(name) {
  const info = await get(`/api/network?name=${encodeURIComponent(name)}`).catch(error => ({ name, title: name, summary: "", problem: String(error.message) }));
  store = null;
  say(info.problem || "");
  const pictures = runPictures(), toggle = pauseButton(), end = stopButton();
  const sliders = h("form", { class: "controls", "aria-label": "Parameters", onsubmit: event => event.preventDefault() });
  const box = (value, more) => h("input", { type: "number", value: String(value), ...more });
  const scale = box(info.largest < 1 ? 0.1 : 1, { min: "0.01", max: String(info.largest || 1), step: "any", onchange: () => readNetwork() });
  const seed = box(0, { min: "0", step: "1" }), duration = box(info.duration || 1000, { min: "1", step: "any" });
  const keep = h("input", { type: "checkbox", onchange: () => { length.hidden = !keep.checked; } });
  const length = h("label", { class: "choice", hidden: true }, h("span", {}, "duration (ms)"), duration);
  const watched = h("select", { "aria-label": "traces" }), which = h("input", { type: "text", value: "0 1 2", "aria-label": "neurons of the traces", size: "6" });
  const step = h("button", { type: "button", disabled: true, onclick: () => command("step", { duration: 10 }) }, "Step 10 ms");
  const look = h("button", { type: "button", hidden: true, onclick: () => { const { id, name } = liveRun.facts.kept; liveRun = null; open(id, name).catch(fail); } }, "Explore the store");
  liveRun = { ...fresh(), ...pictures, status: "not started", name, info, changed: {}, sliders, toggle, end, step, look, keep, scale, seed, duration, watched, which, id: -1 };
  place.replaceChildren(
    h("header", {}, h("h1", {}, info.title), h("p", {}, info.summary),
      actions(h("button", { type: "button", onclick: startRun }, "Start"), toggle, step, end, look),
      h("div", { class: "row" },
        info.scalable ? h("label", { class: "choice" }, h("span", {}, "scale"), scale) : null, h("label", { class: "choice" }, h("span", {}, "seed"), seed),
        h("label", { class: "choice" }, h("span", {}, "traces"), watched), which,
        h("label", { class: "choice" }, keep, h("span", {}, "keep in a store")), length)),
    message, h("div", { class: "columns" }, sliders, pictures.element), live);
  tellNetwork();
  tellRun();
  document.documentElement.dataset.ready = "run";
}

/** Asks again what the network is: its scale or its file is another. What the reader has changed stays. */
async function readNetwork() {
  const r = liveRun;
  if (!r || !r.sliders) return;
  try {
    const info = await get(`/api/network?name=${encodeURIComponent(r.name)}${r.info.scalable ? `&scale=${r.scale.valueAsNumber}` : ""}`);
    if (liveRun !== r) return;
    r.info = info;
    say("");
    tellNetwork();
    if (!r.facts) wantPicture();
    return true;
  } catch (error) { say(String(error.message)); }
}
function tellNetwork() {
  const { info, sliders, watched, changed } = liveRun, chosen = watched.value;
  const known = info.parameters || [];
  for (const name of Object.keys(changed)) if (!known.some(p => p.name === name)) delete changed[name];
  const groups = {};
  known.forEach((p, i) => (groups[p.name.split(".")[0]] ||= []).push([i, p]));
  sliders.replaceChildren(...Object.entries(groups).map(([name, list]) => h("details", { open: list.length < 10, "aria-label": name },
    h("summary", {}, name),
    list.map(([i, p]) => parameterControl({
      id: `r${i}`, label: p.name.slice(name.length + 1) || name, p, value: p.name in changed ? changed[p.name] : p.value, initial: p.value,
      onchange: value => {
        liveRun.changed[p.name] = value;
        if (value === p.value) delete liveRun.changed[p.name];
        if (!going()) return;
        if (liveRun.facts && liveRun.facts.kept) say("The run that goes on keeps the parameters that it began with; the next one takes these.");
        else command("set", { name: p.name, value });
      },
    }).element))));
  const options = Object.entries(info.recordable || {}).flatMap(([part, names]) => names.map(v => [JSON.stringify([part, v]), `${part}: ${v}`]));
  watched.replaceChildren(h("option", { value: "" }, "none"), ...options.map(([key, text]) => h("option", { value: key }, text)));
  const first = options.find(([key]) => JSON.parse(key)[1] === "V");
  watched.value = options.some(([key]) => key === chosen) ? chosen : chosen === "" && liveRun.shown ? "" : first ? first[0] : "";
  liveRun.shown = true;
}

function startRun() {
  const r = liveRun, details = { model: r.name, seed: Math.max(0, Math.round(r.seed.valueAsNumber) || 0), parameters: r.changed };
  if (r.info.scalable) details.scale = r.scale.valueAsNumber;
  if (r.watched.value) {
    const [part, variable] = JSON.parse(r.watched.value);
    const n = (r.info.populations.find(p => p.name === part) || { n: 1 }).n;
    const neurons = [...new Set(r.which.value.split(/[\s,]+/).filter(Boolean).map(Number).filter(i => Number.isInteger(i) && i >= 0 && i < n))].slice(0, 16);
    details.record = [{ part, variable, neurons: neurons.length ? neurons : [0] }];
  }
  if (r.keep.checked) Object.assign(details, { keep: true, duration: r.duration.valueAsNumber });
  say("");
  Object.assign(r, fresh());
  r.changes.textContent = "";
  r.id = command("start", details);
  tellRun();
}

/** The page of a run that goes on from its store. */
function continueRun(id, name) {
  store = null;
  say("");
  const pictures = runPictures(), toggle = pauseButton(), end = stopButton();
  const look = h("button", { type: "button", hidden: true, onclick: () => { liveRun = null; open(id, name).catch(fail); } }, "Explore the store");
  liveRun = { ...fresh(), ...pictures, name, info: {}, toggle, end, look, id: -1 };
  place.replaceChildren(h("header", {}, h("h1", {}, name), h("p", {}, "Goes on from its store."), actions(toggle, end, look)), message, pictures.element, live);
  liveRun.id = command("continue", { store: id });
  tellRun();
  document.documentElement.dataset.ready = "run";
}

/** What comes of the run: facts once, its status, spikes, traces, weights. */
function heardRun(kind, header, numbers) {
  if (liveTraining) return heardTraining(kind, header);
  if (!liveRun) return kind === 2 ? command("ack") : undefined;
  const r = liveRun;
  if (kind === 5) {
    say(header.error);
    if (r.status === "building" && !r.facts) r.status = "not started";
  }
  if (header.populations) {
    const tone = new Uint32Array(header.n), of = new Uint16Array(header.n);
    header.populations.forEach((p, i) => of.fill(i, p.first, p.first + p.n));
    r.facts = { ...header, tone, of };
  }
  if (header.changed) {
    r.log.push(header.changed);
    r.changes.textContent = `Changed: ${r.log.slice(-4).map(({ t, name, value }) => `${name} = ${short(value)} at ${short(Number(t.toPrecision(7)))} ms`).join(", ")}${r.log.length > 4 ? `, and ${r.log.length - 4} times before` : ""}.`;
  }
  if (header.status) {
    Object.assign(r, { status: header.status, t: header.t, speed: header.speed });
    if (header.status === "failed" && r.facts && r.facts.kept) say(`${message.textContent} What was computed is in ${r.facts.kept.name}.`);
  }
  if (header.weights) r.weights = header.weights;
  if (kind === 1) {
    const key = `${header.part}|${header.variable}`, all = new Float32Array(numbers);
    if (!r.rows.has(key)) r.rows.set(key, { ...header, pieces: [] });
    r.rows.get(key).pieces.push({ times: all.subarray(0, header.rows), values: all.subarray(header.rows) });
  }
  if (kind === 2) {
    const all = new Uint32Array(numbers), n = all.length / 2;
    Object.assign(r, { drawn: header.t, t: header.t, speed: header.speed });
    r.spikes.push({ k0: header.k0, steps: all.subarray(0, n), neurons: all.subarray(n) });
    r.total += n;
  }
  if (kind === 3) {
    Object.assign(r, { drawn: header.t, t: header.t, speed: header.speed });
    r.spikes.push({ ...header, counts: new Uint16Array(numbers) });
    r.total += header.spikes;
  }
  if (kind === 2 || kind === 3) {  // the last of what comes at a time
    r.unseen = true;
    wantPicture();
  } else if (!r.unseen) tellRun();
}

/** One picture a frame, however much comes; a page that has drawn its spikes asks for more. */
function wantPicture() {
  if (wantPicture.on) return;
  wantPicture.on = true;
  requestAnimationFrame(() => {
    wantPicture.on = false;
    const r = liveRun;
    if (!r) return;
    drawRun();
    tellRun();
    r.pictures++;
    if (r.unseen) {
      r.unseen = false;
      command("ack");
    }
  });
}

function drawRun() {
  const { facts, info, canvas, drawn: t } = liveRun, c = colors();
  const n = facts ? facts.n : (info.populations || []).reduce((sum, p) => sum + p.n, 0);
  if (!n || !canvas.isConnected) return;
  const t0 = still.matches ? Math.floor(Math.max(0, t - 1e-9) / SPAN) * SPAN : Math.max(0, t - SPAN), t1 = t0 + SPAN;
  const width = Math.max(280, canvas.parentElement.clientWidth), height = width < 600 ? 300 : 400;
  const g = canvasSurface(canvas, width, height, true);
  const box = { x: MARGIN.left, y: MARGIN.top, w: width - MARGIN.left - MARGIN.right, h: height - MARGIN.top - 44 };
  drawAxes(g, box, { x: [t0, t1], y: [0, n], xLabel: "time (ms)", yLabel: "neuron", series: [] }, c);
  if (!facts) return;
  // The pixels of the canvas itself, taken and put back: another canvas between them would be copied for each picture.
  const ratio = window.devicePixelRatio || 1, wide = Math.round(box.w * ratio), tall = Math.round(box.h * ratio);
  const pixels = g.getImageData(box.x * ratio, box.y * ratio, wide, tall), words = new Uint32Array(pixels.data.buffer);
  if (facts.dark !== palette.matches) {
    facts.dark = palette.matches;
    facts.populations.forEach((p, i) => {
      facts.tone.fill(word(c.lines[i % c.lines.length]), p.first, p.first + p.n);
    });
  }
  liveRun.spikes = liveRun.spikes.filter(s => s.counts ? s.t1 >= t0 : s.steps.length && (s.k0 + s.steps[s.steps.length - 1]) * facts.dt >= t0);
  const recent = new Float64Array(facts.populations.length), high = Math.max(1, Math.ceil(tall / n)), broad = Math.max(n * ratio <= tall ? 2 : 1, Math.round(ratio));
  for (const { k0, steps, neurons, ...tile } of liveRun.spikes) {
    if (tile.counts) {
      drawCounts(tile, { words, wide, tall, t0, t1, n, recent });
      continue;
    }
    for (let i = 0; i < steps.length; i++) {
      const at = (k0 + steps[i]) * facts.dt;
      if (at < t0 || at >= t1) continue;
      const neuron = neurons[i], x = Math.floor(((at - t0) / SPAN) * wide), y = tall - Math.floor((neuron * tall) / n) - high, end = Math.min(wide, x + broad);
      recent[facts.of[neuron]]++;
      for (let row = Math.max(0, y) * wide; row < (y + high) * wide; row += wide) for (let j = row + x; j < row + end; j++) words[j] = facts.tone[neuron];
    }
  }
  g.putImageData(pixels, box.x * ratio, box.y * ratio);
  drawKey(g, box, facts.populations.map(p => p.name), c);
  const seconds = Math.max(1e-3, Math.min(SPAN, t - t0) / 1000);
  liveRun.rates = facts.populations.map((p, i) => `${p.name} ${(recent[i] / Math.max(1, p.n) / seconds).toFixed(1)} Hz`).join(", ");
  drawRows(t0, t1, c);
  drawWeights(c);
}

/** A block of pixels for each count of a tile. */
function drawCounts(tile, { words, wide, tall, t0, t1, n, recent }) {
  const { tone, of } = liveRun.facts, each = (tile.t1 - tile.t0) / tile.width, at = t => Math.floor(((t - t0) / (t1 - t0)) * wide);
  tile.counts.forEach((count, i) => {
    if (!count) return;
    const row = Math.floor(i / tile.width), t = tile.t0 + (i % tile.width) * each, neuron = Math.floor(((row + 0.5) * n) / tile.height);
    if (t < t0 || t >= t1) return;
    recent[of[neuron]] += count;
    const bottom = Math.floor((row * tall) / tile.height), top = Math.max(bottom + 1, Math.floor(((row + 1) * tall) / tile.height));
    for (let y = bottom; y < top; y++) words.fill(tone[neuron], (tall - 1 - y) * wide + at(t), (tall - 1 - y) * wide + Math.min(wide, Math.max(at(t) + 1, at(t + each))));
  });
}

function hide(element, yes) {
  if (element.hidden !== yes) element.hidden = yes;  // to write what is there already would lay the page out again
}

/** The names of what is drawn in which colour, above the box. */
function drawKey(g, box, names, c) {
  if (names.length < 2) return;
  let x = box.x + 4;
  g.textAlign = "left";
  names.slice(0, 12).forEach((name, i) => {
    const wide = 7 * name.length + 24;
    if (x + wide > box.x + box.w) return;
    g.fillStyle = c.background;
    g.fillRect(x - 3, box.y + 3, wide - 6, 17);
    g.fillStyle = c.lines[i % c.lines.length];
    g.fillRect(x, box.y + 7, 10, 10);
    g.fillStyle = c.text;
    g.fillText(name, x + 14, box.y + 16);
    x += wide;
  });
}

function drawRows(t0, t1, c) {
  const { rows, boxes, traces } = liveRun;
  hide(boxes.traces, !rows.size);
  if (!rows.size) return;
  const [g, box] = plotIn(traces, 190, true), ratio = window.devicePixelRatio || 1, wide = Math.round(box.w * ratio), tall = Math.round(box.h * ratio);
  let low = Infinity, high = -Infinity, said = "", label = "";
  for (const kept of rows.values()) {
    kept.pieces = kept.pieces.filter(p => p.times.length && p.times[p.times.length - 1] >= t0 - 1);
    for (const { values } of kept.pieces) for (const v of values) { if (v < low) low = v; if (v > high) high = v; }
    label = `${kept.variable} ${unitText(kept.unit) ? `(${unitText(kept.unit)})` : ""}`;
    said = `${kept.variable} of ${kept.part}, neurons ${kept.neurons.join(", ")}: from ${short(low)} to ${short(high)} ${unitText(kept.unit)}`;
  }
  const [bottom, top] = range(low, high), Y = v => (tall - 1) * (1 - (v - bottom) / (top - bottom));
  drawAxes(g, box, { x: [t0, t1], y: [bottom, top], xLabel: "time (ms)", yLabel: label, series: [] }, c);
  const pixels = g.getImageData(box.x * ratio, box.y * ratio, wide, tall), words = new Uint32Array(pixels.data.buffer);
  let lines = 0;
  for (const { pieces, neurons } of rows.values()) {
    for (let j = 0; j < neurons.length; j++, lines++) drawTrace(words, wide, tall, ratio, word(c.lines[lines % c.lines.length]), DASHES[j % DASHES.length], extremes(pieces, j, neurons.length, t0, t1, wide), Y);
  }
  g.putImageData(pixels, box.x * ratio, box.y * ratio);
  if (traces.said === undefined || performance.now() - traces.said > 1000) {
    traces.said = performance.now();
    traces.setAttribute("aria-label", said);
  }
}

/** The least and greatest value of one column of a record in each column of pixels, straight lines between its rows. */
function extremes(pieces, j, columns, t0, t1, wide) {
  const low = new Float32Array(wide).fill(Infinity), high = new Float32Array(wide).fill(-Infinity), each = (t1 - t0) / wide;
  let before = null, was = 0;
  for (const { times, values } of pieces) {
    for (let i = 0; i < times.length; i++) {
      const at = (times[i] - t0) / each, v = values[i * columns + j], from = before === null ? at : before, height = before === null ? v : was;
      for (let x = Math.max(0, Math.floor(from)); x <= Math.min(wide - 1, Math.floor(at)); x++) {
        const slope = at > from ? (v - height) / (at - from) : 0;
        const left = x <= from ? height : height + slope * (x - from), right = x + 1 >= at ? v : height + slope * (x + 1 - from);
        if (left < low[x]) low[x] = left;
        if (right < low[x]) low[x] = right;
        if (left > high[x]) high[x] = left;
        if (right > high[x]) high[x] = right;
      }
      before = at;
      was = v;
    }
  }
  return [low, high];
}
/** A trace as pixels: strokes of a canvas, dashed, took longer than the whole picture beside them. */
function drawTrace(words, wide, tall, ratio, color, dash, [low, high], Y) {
  const thick = Math.max(1, Math.round(1.5 * ratio)), period = dash.reduce((sum, d) => sum + d, 0) * ratio;
  for (let x = 0; x < wide; x++) {
    if (low[x] > high[x]) continue;
    if (period) {
      let at = x % period, i = 0;
      while (at >= dash[i] * ratio) at -= dash[i++] * ratio;
      if (i % 2 && Y(low[x]) - Y(high[x]) < 6 * ratio) continue;
    }
    const end = Math.min(tall - 1, Math.round(Y(low[x])) + thick - 1);
    for (let y = Math.max(0, Math.round(Y(high[x]))); y <= end; y++) words[y * wide + x] = color;
  }
}
/** A colour as a pixel has it. */
function word(color) {
  const [red, green, blue] = [1, 3, 5].map(at => parseInt(color.slice(at, at + 2), 16));
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

/** The weights of the projections that learn, as they are now: how many there are of each size. */
function drawWeights(c) {
  const { weights, boxes } = liveRun;
  hide(boxes.weights, !weights);
  if (!weights) return;
  const [g, box] = plotIn(boxes.weights.firstChild, 210), series = [];
  let from = Infinity, to = -Infinity, top = 1;
  Object.values(weights).forEach((w, i) => {
    from = Math.min(from, w.from);
    to = Math.max(to, w.from + w.step * w.values.length);
    top = Math.max(top, greatest(w.values));
    series.push({ x: w.values.flatMap((_, j) => [w.from + j * w.step, w.from + (j + 1) * w.step]), y: w.values.flatMap(v => [v, v]), color: c.lines[i % c.lines.length], dash: DASHES[i % DASHES.length], width: 2 });
  });
  const units = [...new Set(Object.values(weights).map(w => unitText(w.unit)))];
  drawAxes(g, box, { x: [from, to], y: [0, top * 1.06], xLabel: units.length === 1 && units[0] ? `weight (${units[0]})` : "weight", yLabel: "synapses", series }, c);
  drawKey(g, box, Object.keys(weights), c);
  const text = Object.entries(weights).map(([name, w]) => `${name}: ${amount(w.n)} weights, mean ${short(Number(w.mean.toPrecision(4)))} ${unitText(w.unit)}`.trim()).join("; ");
  liveRun.boxes.weights.firstChild.setAttribute("aria-label", text);
  liveRun.learnt = text;
}

function tellRun() {
  const r = liveRun;
  if (!r) return;
  const on = ["running", "paused"].includes(r.status), kept = r.facts && r.facts.kept;
  const now = performance.now();
  if (r.said === r.status && now - r.saidAt < 250) return;  // figures that a person can read; and what is written lays the page out again
  Object.assign(r, { said: r.status, saidAt: now });
  r.toggle.disabled = !on;
  r.toggle.textContent = r.status === "paused" ? "Resume" : "Pause";
  r.end.disabled = !going();
  if (r.step) r.step.disabled = !on || Boolean(kept);
  r.look.hidden = !kept || going();
  const seen = r.facts && r.drawn > 0 ? `t = ${short(Number((r.t || 0).toPrecision(7)))} ms, ${amount(r.total)} spikes, ${short(r.speed || 0)} × real time${r.rates ? `; ${r.rates}` : ""}${kept ? `; kept in ${kept.name}` : ""}${r.learnt ? `; ${r.learnt}` : ""}` : "";
  r.summary.textContent = `${r.status}${seen ? `: ${seen}` : "."}`;
  r.canvas.setAttribute("aria-label", r.summary.textContent);
  if (now - (tellRun.last || 0) > 2000) {
    tellRun.last = now;
    live.textContent = r.summary.textContent;
  }
}
document.addEventListener("keydown", event => {
  const toggle = (liveRun || liveTraining || {}).toggle;
  if (!toggle || event.key !== " " || /^(INPUT|BUTTON|SELECT|TEXTAREA|SUMMARY|A)$/.test(event.target.tagName)) return;
  event.preventDefault();
  if (!toggle.disabled) toggle.click();
});

/** A file of the user's is looked at again and again: what it says now, or why it cannot be read. */
let fileStamp = null, asking = false;
setInterval(async () => {
  const name = liveRun && liveRun.sliders ? liveRun.name : openCell ? openCell.name : null;
  if (!name || !name.endsWith(".py") || document.hidden || asking) return;
  asking = true;
  try {
    const file = await get("/api/file");
    if (file.name !== name || file.stamp === fileStamp) return;
    const first = fileStamp === null;
    fileStamp = file.stamp;
    if (file.problem) return say(`${file.problem.replace(/[.:\s]*$/, "")}. What is here stays as it was until the file is right again.`);
    if (first && !message.textContent) return;
    if (file.scene !== Boolean(openCell) && !going()) {  // what was a network has become a cell, or the other way round
      openCell = liveRun = null;
      if (file.scene) openScene(name); else await openRun(name);
      fileStamp = file.stamp;
    } else if (openCell) showCell();
    else if (!await readNetwork()) return;
    say(going() ? `${name} has changed: the next Start runs it as it is now.` : `${name} was read again.`);
  } catch (error) { say(String(error.message)); } finally { asking = false; }
}, 700);
