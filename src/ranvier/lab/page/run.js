// A network while it runs: its spikes as they come, its parameters under the hand.

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

function openRun(network) {
  store = null;
  const canvas = h("canvas", { role: "img", tabindex: "0" }), summary = h("p", { class: "summary" });
  const sliders = h("form", { class: "controls", "aria-label": "Parameters", onsubmit: event => event.preventDefault() });
  const scale = h("input", { type: "number", min: "0.01", max: String(network.largest), step: "any", value: String(network.largest < 1 ? 0.1 : 1) });
  const seed = h("input", { type: "number", min: "0", step: "1", value: "0" });
  const toggle = h("button", { type: "button", disabled: true, onclick: () => command(liveRun.status === "paused" ? "resume" : "pause") }, "Pause");
  const begin = () => {
    Object.assign(liveRun, { facts: null, spikes: [], t: 0, total: 0, status: "building" });
    sliders.replaceChildren();
    const details = { model: network.name, seed: Math.max(0, Math.round(seed.valueAsNumber) || 0) };
    if (network.scalable) details.scale = scale.valueAsNumber;
    liveRun.id = command("start", details);
    tellRun();
  };
  liveRun = { network, canvas, summary, sliders, toggle, spikes: [], t: 0, total: 0, status: "not started", id: -1 };
  place.replaceChildren(
    h("header", {}, h("h1", {}, network.title), h("p", {}, network.summary),
      h("div", { class: "row", role: "toolbar", "aria-label": "Run" },
        h("button", { type: "button", onclick: () => { command("stop"); liveRun = null; home().catch(fail); } }, "Home"),
        h("button", { type: "button", onclick: begin }, "Start"), toggle,
        h("button", { type: "button", onclick: () => command("step", { duration: 10 }) }, "Step 10 ms"),
        h("button", { type: "button", onclick: () => command("stop") }, "Stop"),
        network.scalable ? h("label", { class: "choice" }, h("span", {}, "scale"), scale) : null, h("label", { class: "choice" }, h("span", {}, "seed"), seed))),
    message, h("div", { class: "columns" }, sliders, h("div", { class: "pictures" }, h("div", {}, canvas), summary)), live);
  tellRun();
  document.documentElement.dataset.ready = "run";
}

/** What comes of the run: facts once, its status, its spikes. */
function heardRun(kind, header, numbers) {
  if (!liveRun) return kind === 2 ? command("ack") : undefined;
  if (kind === 5) return say(header.error);
  if (header.parameters) {
    liveRun.facts = header;
    buildRunControls();
  }
  if (header.status) {
    Object.assign(liveRun, { status: header.status, t: header.t, speed: header.speed, skipped: header.skipped });
    liveRun.toggle.disabled = !["running", "paused"].includes(header.status);
    liveRun.toggle.textContent = header.status === "paused" ? "Resume" : "Pause";
  }
  if (kind === 2) {
    const all = new Uint32Array(numbers), n = all.length / 2;
    liveRun.spikes.push({ k0: header.k0, steps: all.subarray(0, n), neurons: all.subarray(n) });
    liveRun.total += n;
  }
  requestAnimationFrame(() => {
    if (liveRun && liveRun.facts) drawRun();
    tellRun();
    if (kind === 2) command("ack");
  });
}

function buildRunControls() {
  const groups = {};
  liveRun.facts.parameters.forEach((p, i) => (groups[p.name.split(".")[0]] ||= []).push([i, p]));
  liveRun.sliders.replaceChildren(...Object.entries(groups).map(([name, list]) => h("details", { open: list.length < 8 },
    h("summary", {}, name),
    list.map(([i, p]) => parameterControl({
      id: `r${i}`, label: p.name.slice(name.length + 1) || name, p: { unit: "1", ...p }, value: p.value, initial: p.value,
      onchange: value => command("set", { name: p.name, value }),
    }).element))));
}

function drawRun() {
  const { facts, canvas, t } = liveRun, c = colors();
  const t0 = still.matches ? Math.floor(Math.max(0, t - 1e-9) / SPAN) * SPAN : Math.max(0, t - SPAN), t1 = t0 + SPAN;
  const width = Math.max(280, canvas.parentElement.clientWidth), height = 420;
  const g = canvasSurface(canvas, width, height);
  const box = { x: MARGIN.left, y: MARGIN.top, w: width - MARGIN.left - MARGIN.right, h: height - MARGIN.top - 44 };
  drawAxes(g, box, { x: [t0, t1], y: [0, facts.n], xLabel: "time (ms)", yLabel: "neuron", series: [] }, c);
  const tall = Math.min(facts.n, 376), wide = Math.round(box.w);
  const image = document.createElement("canvas");
  image.width = wide;
  image.height = tall;
  const context = image.getContext("2d"), pixels = context.createImageData(wide, tall), words = new Uint32Array(pixels.data.buffer);
  const tone = new Uint32Array(facts.n);
  facts.populations.forEach((p, i) => {
    const [r, gg, b] = [1, 3, 5].map(at => parseInt(c.lines[i % c.lines.length].slice(at, at + 2), 16));
    tone.fill((255 << 24) | (b << 16) | (gg << 8) | r, p.first, p.first + p.n);
  });
  liveRun.spikes = liveRun.spikes.filter(s => s.steps.length && (s.k0 + s.steps[s.steps.length - 1]) * facts.dt >= t0);
  const recent = new Float64Array(facts.populations.length);
  const of = new Uint16Array(facts.n);
  facts.populations.forEach((p, i) => of.fill(i, p.first, p.first + p.n));
  for (const { k0, steps, neurons } of liveRun.spikes) {
    for (let i = 0; i < steps.length; i++) {
      const at = (k0 + steps[i]) * facts.dt;
      if (at < t0 || at >= t1) continue;
      recent[of[neurons[i]]]++;
      const x = Math.floor(((at - t0) / SPAN) * wide), y = tall - 1 - Math.floor((neurons[i] * tall) / facts.n);
      words[y * wide + x] = tone[neurons[i]];
    }
  }
  context.putImageData(pixels, 0, 0);
  g.imageSmoothingEnabled = false;
  g.drawImage(image, box.x, box.y, box.w, box.h);
  const seconds = Math.max(1e-3, Math.min(SPAN, t - t0) / 1000);
  liveRun.rates = facts.populations.map((p, i) => `${p.name} ${(recent[i] / p.n / seconds).toFixed(1)} Hz`).join(", ");
  performance.mark("live-painted");
}

function tellRun() {
  const r = liveRun;
  if (!r) return;
  const going = r.facts ? `t = ${short(r.t)} ms, ${amount(r.total)} spikes${r.skipped ? ` (${amount(r.skipped)} more were not drawn)` : ""}, ${short(r.speed || 0)} × real time; ${r.rates || ""}` : "";
  r.summary.textContent = `${r.status}${going ? `: ${going}` : "."}`;
  r.canvas.setAttribute("aria-label", r.summary.textContent);
  if (performance.now() - (tellRun.last || 0) > 2000) {
    tellRun.last = performance.now();
    live.textContent = r.summary.textContent;
  }
}
document.addEventListener("keydown", event => {
  if (!liveRun || event.key !== " " || /^(INPUT|BUTTON|SELECT|TEXTAREA|SUMMARY|A)$/.test(event.target.tagName)) return;
  event.preventDefault();
  if (!liveRun.toggle.disabled) liveRun.toggle.click();
});
