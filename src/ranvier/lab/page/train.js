// Spiking neurons that learn to read digits: loss and errors by epoch, what a few images make them do, what is read as what.

let liveTraining = null;
function openTraining() {
  store = null;
  say("");
  const make = () => h("canvas", { role: "img" });
  const curves = make(), rasters = make(), confusion = make(), summary = h("p", { class: "summary" });
  const epochs = h("input", { type: "number", min: "1", max: "400", step: "1", value: "80" }), seed = h("input", { type: "number", min: "0", step: "1", value: "0" });
  const toggle = h("button", { type: "button", disabled: true, onclick: () => command(liveTraining.status === "paused" ? "resume" : "pause") }, "Pause");
  const end = h("button", { type: "button", disabled: true, onclick: () => command("stop") }, "Stop");
  const begin = () => {
    say("");
    Object.assign(liveTraining, { history: [], last: null, facts: null, status: "building" });
    command("train", { epochs: Math.round(epochs.valueAsNumber) || 80, seed: Math.max(0, Math.round(seed.valueAsNumber) || 0) });
    tellTraining();
  };
  liveTraining = { curves, rasters, confusion, summary, toggle, end, history: [], last: null, facts: null, status: "not started" };
  place.replaceChildren(
    h("header", {}, h("h1", {}, "Digits, read by spikes"),
      h("p", {}, "An image of 8 × 8 pixels is a current into 400 integrate-and-fire neurons; ten membranes listen to their spikes, and the highest is the answer. Weights and time constants are learnt by a surrogate gradient."),
      h("div", { class: "row", role: "toolbar", "aria-label": "Training" },
        h("button", { type: "button", onclick: () => { command("stop"); liveTraining = null; home().catch(fail); } }, "Home"),
        h("button", { type: "button", onclick: begin }, "Start"), toggle, end,
        h("label", { class: "choice" }, h("span", {}, "epochs"), epochs), h("label", { class: "choice" }, h("span", {}, "seed"), seed))),
    message, summary,
    h("div", {}, curves), h("div", {}, rasters), h("div", {}, confusion), live);
  new ResizeObserver(() => { if (liveTraining) drawTraining(); }).observe(curves.parentElement);
  tellTraining();
  document.documentElement.dataset.ready = "train";
}

function heardTraining(kind, header) {
  const r = liveTraining;
  if (kind === 5) {
    say(header.error);
    if (r.status === "building") r.status = "not started";
  }
  if (header.training) r.facts = header.training;
  if (header.confusion) {
    r.history.push(header);
    r.last = header;
  }
  if (header.status) r.status = header.status;
  requestAnimationFrame(() => {
    if (liveTraining !== r) return;
    drawTraining();
    tellTraining();
  });
}

function tellTraining() {
  const r = liveTraining, last = r.last;
  r.toggle.disabled = !["running", "paused"].includes(r.status);
  r.toggle.textContent = r.status === "paused" ? "Resume" : "Pause";
  r.end.disabled = !["building", "running", "paused"].includes(r.status);
  r.summary.textContent = last ? `${r.status}: epoch ${last.epoch} of ${r.facts.epochs}, loss ${last.loss.toFixed(3)}, ${(100 * last.accuracy).toFixed(1)} % of ${r.facts.tests} test images right, ${last.rate.toFixed(3)} spikes a neuron and step.` : `${r.status}.`;
  if (performance.now() - (tellTraining.last || 0) > 2000) {
    tellTraining.last = performance.now();
    live.textContent = r.summary.textContent;
  }
}

function drawTraining() {
  const { history, last, facts, curves, rasters, confusion } = liveTraining, c = colors();
  for (const canvas of [curves, rasters, confusion]) canvas.parentElement.hidden = !last;
  if (!last) return;
  const width = Math.max(280, curves.parentElement.clientWidth), narrow = width < 700;
  const g = canvasSurface(curves, width, narrow ? 400 : 220), x = history.map(p => p.epoch);
  [["loss", history.map(p => p.loss), ""], ["test images read wrong (%)", history.map(p => 100 * (1 - p.accuracy)), ""]].forEach(([yLabel, y], i) => {
    const w = narrow ? width : width / 2;
    const box = { x: (narrow ? 0 : i * w) + MARGIN.left, y: (narrow ? i * 200 : 0) + MARGIN.top, w: w - MARGIN.left - MARGIN.right, h: 200 - MARGIN.top - 44 };
    drawAxes(g, box, { x: [0, facts.epochs], y: [0, greatest(y) * 1.06], xLabel: "epoch", yLabel, series: [{ x, y, color: c.lines[i], points: 2, line: true }] }, c);
  });
  curves.setAttribute("aria-label", `Loss ${last.loss.toFixed(3)}, ${(100 * (1 - last.accuracy)).toFixed(1)} % wrong after ${last.epoch} epochs`);
  const shown = last.pictures, across = narrow ? 2 : shown.length, each = width / across, tall = 300;
  const r = canvasSurface(rasters, width, tall * Math.ceil(shown.length / across));
  shown.forEach((picture, i) => {
    const left = (i % across) * each, top = Math.floor(i / across) * tall;
    for (let p = 0; p < 64; p++) {
      r.fillStyle = `rgba(${palette.matches ? "240,240,240" : "20,20,20"},${picture.pixels[p]})`;
      r.fillRect(left + MARGIN.left + (p % 8) * 7, top + 6 + Math.floor(p / 8) * 7, 7, 7);
    }
    r.strokeStyle = c.grid;
    r.lineWidth = 1;
    r.setLineDash([]);
    r.strokeRect(left + MARGIN.left, top + 6, 56, 56);
    r.fillStyle = c.text;
    r.font = "12px sans-serif";
    r.textAlign = "left";
    r.fillText(narrow ? `${picture.digit} → ${picture.answer}` : `a ${picture.digit}, read as ${picture.answer}`, left + MARGIN.left + 64, top + 38);
    const box = { x: left + MARGIN.left, y: top + 72, w: each - MARGIN.left - MARGIN.right, h: tall - 72 - 44 };
    drawAxes(r, box, { x: [0, last.steps], y: [0, facts.hidden], xLabel: "time (ms)", yLabel: i % across ? "" : "hidden neuron", series: [{ x: picture.spikes[0].map(t => t + 0.5), y: picture.spikes[1], color: c.lines[0], points: 1.4 }] }, c);
  });
  rasters.setAttribute("aria-label", `Spikes of the hidden neurons for ${shown.map(p => `a ${p.digit}, read as ${p.answer}`).join("; ")}`);
  const size = Math.min(width - MARGIN.left - MARGIN.right, 330), cellSize = size / 10, m = canvasSurface(confusion, width, size + MARGIN.top + 40);
  const most = Math.max(1, ...last.confusion.flat());
  m.textAlign = "center";
  m.font = "12px sans-serif";
  last.confusion.forEach((row, y) => row.forEach((count, q) => {
    const px = MARGIN.left + q * cellSize, py = MARGIN.top + y * cellSize;
    m.globalAlpha = Math.sqrt(count / most);
    m.fillStyle = c.lines[0];
    m.fillRect(px, py, cellSize - 1, cellSize - 1);
    m.globalAlpha = 1;
    m.fillStyle = count / most > 0.4 && !palette.matches ? "#fff" : count / most > 0.4 ? "#10202b" : c.text;
    if (count) m.fillText(String(count), px + cellSize / 2, py + cellSize / 2 + 4);
  }));
  m.fillStyle = c.text;
  for (let d = 0; d < 10; d++) {
    m.fillText(String(d), MARGIN.left + (d + 0.5) * cellSize, MARGIN.top + size + 14);
    m.fillText(String(d), MARGIN.left - 10, MARGIN.top + (d + 0.5) * cellSize + 4);
  }
  m.fillText("read as", MARGIN.left + size / 2, MARGIN.top + size + 32);
  m.rotated(14, MARGIN.top + size / 2, () => m.fillText("digit", 14, MARGIN.top + size / 2));
  confusion.setAttribute("aria-label", `${last.confusion.reduce((sum, row, i) => sum + row[i], 0)} of ${facts.tests} test images right`);
}
palette.addEventListener("change", () => { if (liveTraining) drawTraining(); else wantPicture(); });
