// Plots on a canvas, or as SVG through the same calls.

const palette = window.matchMedia("(prefers-color-scheme: dark)");

/** What is drawn in, after Okabe and Ito, in the reader's scheme; each line has a dash of its own too. */
function colors() {
  const dark = palette.matches;
  return {
    text: dark ? "#e6e6e6" : "#1b1b1b", grid: dark ? "#3a3f45" : "#dfe3e8", flow: dark ? "#6b747e" : "#a3acb6", background: dark ? "#14181c" : "#ffffff",
    lines: dark ? ["#56b4e9", "#e69f00", "#00c292", "#e69ac4", "#f0e442", "#ff8a50"] : ["#0072b2", "#d55e00", "#007a5a", "#b0548c", "#8a6d00", "#3a6ea5"],
  };
}
const DASHES = [[], [7, 3], [2, 3], [9, 3, 2, 3], [5, 5], [12, 4]];

/** As much of a canvas context as the plots use, written as SVG. */
class SvgSurface {
  constructor(width, height, background) {
    Object.assign(this, { width, height, path: "", parts: [], strokeStyle: "#000", fillStyle: "#000", lineWidth: 1, font: "12px sans-serif", textAlign: "left", dash: [], clips: 0, shift: "" });
    this.parts.push(`<rect width="${width}" height="${height}" fill="${background}"/>`);
  }
  beginPath() { this.path = ""; }
  moveTo(x, y) { this.path += `M${x.toFixed(1)} ${y.toFixed(1)}`; }
  lineTo(x, y) { this.path += `L${x.toFixed(1)} ${y.toFixed(1)}`; }
  arc(x, y, r) { this.path += `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`; }
  setLineDash(dash) { this.dash = dash; }
  stroke() { this.parts.push(`<path d="${this.path}" fill="none" stroke="${this.strokeStyle}" stroke-width="${this.lineWidth}" stroke-dasharray="${this.dash.join(" ")}"/>`); }
  fill() { this.parts.push(`<path d="${this.path}" fill="${this.fillStyle}"/>`); }
  fillRect(x, y, w, h) { this.parts.push(`<rect x="${x.toFixed(1)}" y="${y.toFixed(1)}" width="${w.toFixed(1)}" height="${h.toFixed(1)}" fill="${this.fillStyle}"/>`); }
  fillText(text, x, y) {
    const anchor = { left: "start", right: "end", center: "middle" }[this.textAlign];
    this.parts.push(`<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}" fill="${this.fillStyle}" font-family="sans-serif" font-size="${parseInt(this.font, 10)}"${this.shift}>${escaped(text)}</text>`);
  }
  rotated(x, y, draw) { this.shift = ` transform="rotate(-90 ${x} ${y})"`; draw(); this.shift = ""; }
  clipped(x, y, w, h, draw) {
    const id = `clip${this.clips++}`;
    this.parts.push(`<clipPath id="${id}"><rect x="${x}" y="${y}" width="${w}" height="${h}"/></clipPath><g clip-path="url(#${id})">`);
    draw();
    this.parts.push("</g>");
  }
  text() { return `<svg xmlns="http://www.w3.org/2000/svg" width="${this.width}" height="${this.height}">${this.parts.join("")}</svg>`; }
}

const escaped = text => String(text).replace(/[&<>"]/g, c => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);

/** A canvas context with the two calls that SVG spells otherwise; `read` where its pixels are taken too. */
function canvasSurface(canvas, width, height, read = false) {
  const ratio = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.height = `${height}px`;
  }
  const context = canvas.getContext("2d", { willReadFrequently: read });
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.rotated = (x, y, draw) => {
    context.save();
    context.translate(x, y);
    context.rotate(-Math.PI / 2);
    context.translate(-x, -y);
    draw();
    context.restore();
  };
  context.clipped = (x, y, w, h, draw) => {
    context.save();
    context.beginPath();
    context.rect(x, y, w, h);
    context.clip();
    draw();
    context.restore();
  };
  return context;
}

/** Round numbers within [low, high], about `count` of them. */
function ticks(low, high, count) {
  const rough = (high - low) / Math.max(count, 1);
  if (!(rough > 0) || !Number.isFinite(rough)) return [];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map(m => m * power).find(s => s >= rough * 0.999);
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++) found.push(i * step);
  return found;
}

const short = x => (x === 0 ? "0" : Math.abs(x) >= 1e8 || Math.abs(x) < 1e-3 ? x.toExponential(1) : String(Number(x.toPrecision(Math.abs(x) < 1e4 ? 4 : 8)))).replace("-", "−");
const tick = x => (Math.abs(x) < 1e5 ? short(x) : Math.abs(x) < 1e6 ? `${short(x / 1e3)}k` : Math.abs(x) < 1e9 ? `${short(x / 1e6)}M` : short(x));

/** A range with some air around it. */
function range(low, high) {
  if (!(low < high)) return Number.isFinite(low) ? [low - (Math.abs(low) * 0.1 || 1), low + (Math.abs(low) * 0.1 || 1)] : [0, 1];
  const air = 0.06 * (high - low);
  return [low - air, high + air];
}

const MARGIN = { left: 62, right: 18, top: 8 };

/**
 * One set of axes with its series.
 * box: {x, y, w, h} of the axes. plot: {x: [low, high], y: [low, high], xLabel, yLabel, series, lines, ticksX}.
 * series: {x (array, or {from, step}), y, color, dash, width, points}.
 */
function drawAxes(g, box, plot, colors) {
  const [x0, x1] = plot.x, [y0, y1] = plot.y;
  const X = v => box.x + ((v - x0) / (x1 - x0)) * box.w, Y = v => box.y + box.h - ((v - y0) / (y1 - y0)) * box.h;
  g.lineWidth = 1;
  g.setLineDash([]);
  g.font = "12px sans-serif";
  g.fillStyle = colors.text;
  g.strokeStyle = colors.grid;
  const across = ticks(x0, x1, Math.max(2, box.w / 80)), up = ticks(y0, y1, Math.max(2, box.h / 45));
  g.beginPath();
  for (const v of across) { g.moveTo(X(v), box.y); g.lineTo(X(v), box.y + box.h); }
  if (!plot.bare) for (const v of up) { g.moveTo(box.x, Y(v)); g.lineTo(box.x + box.w, Y(v)); }
  g.stroke();
  g.textAlign = "right";
  if (!plot.bare) for (const v of up) if (Y(v) > box.y + 3 || box.h < 30) g.fillText(tick(v), box.x - 6, Y(v) + 4);
  g.textAlign = "center";
  if (plot.xLabel !== undefined) {
    for (const v of across) g.fillText(tick(v), X(v), box.y + box.h + 16);
    if (plot.xLabel) g.fillText(plot.xLabel, box.x + box.w / 2, box.y + box.h + 32);
  }
  if (plot.yLabel) {
    const left = box.x - MARGIN.left + 14, middle = box.y + box.h / 2;
    g.rotated(left, middle, () => g.fillText(plot.yLabel, left, middle));
  }
  g.clipped(box.x, box.y, box.w, box.h, () => {
    for (const line of plot.lines || []) {
      g.strokeStyle = line.color || colors.text;
      g.lineWidth = 1;
      g.setLineDash(line.dash || [4, 4]);
      g.beginPath();
      if (line.y !== undefined) { g.moveTo(box.x, Y(line.y)); g.lineTo(box.x + box.w, Y(line.y)); }
      if (line.x !== undefined) { g.moveTo(X(line.x), box.y); g.lineTo(X(line.x), box.y + box.h); }
      g.stroke();
    }
    for (const series of plot.series) drawSeries(g, series, X, Y, box, plot.x);
    for (const segment of plot.segments || []) {
      g.strokeStyle = segment.color;
      g.lineWidth = segment.width || 2;
      g.setLineDash(segment.dash || []);
      g.beginPath();
      for (const line of segment.list) line.forEach(([x, y], i) => (i ? g.lineTo(X(x), Y(y)) : g.moveTo(X(x), Y(y))));
      g.stroke();
    }
    if (plot.spikes) {
      for (const { times, color, row } of plot.spikes) {
        g.strokeStyle = color;
        g.lineWidth = 2;
        g.setLineDash([]);
        g.beginPath();
        for (const t of times) { g.moveTo(X(t), box.y + 2 + 9 * row); g.lineTo(X(t), box.y + 9 + 9 * row); }
        g.stroke();
      }
    }
  });
  g.setLineDash([]);
  return { X, Y };
}

function drawSeries(g, series, X, Y, box, [x0, x1]) {
  const { x, y } = series, regular = !("length" in x);
  const n = y.length;
  g.strokeStyle = g.fillStyle = series.color;
  g.lineWidth = series.width || 1.5;
  g.setLineDash(series.dash || []);
  if (series.points) {
    for (let i = 0; i < n; i++) {
      if (!Number.isFinite(y[i])) continue;
      g.beginPath();
      g.arc(X(x[i]), Y(y[i]), series.points, 0, 7);
      g.fill();
    }
    if (series.points > 0 && !series.line) return;
  }
  g.beginPath();
  let first = 0, last = n - 1;
  if (regular) {
    first = Math.max(0, Math.floor((x0 - x.from) / x.step));
    last = Math.min(n - 1, Math.ceil((x1 - x.from) / x.step));
  }
  const at = i => X(regular ? x.from + i * x.step : x[i]);
  if ((regular || series.sorted) && last - first > (regular ? 3 : 1.5) * box.w) {  // least and greatest of each column of pixels
    let begun = false;
    for (let i = first; i <= last;) {
      const column = Math.floor(at(i));
      let low = Infinity, high = -Infinity, lowAt = 0, highAt = 0;
      do {
        if (y[i] < low) { low = y[i]; lowAt = i; }
        if (y[i] > high) { high = y[i]; highAt = i; }
      } while (++i <= last && at(i) < column + 1);
      if (!(low <= high)) continue;
      const [a, b] = lowAt < highAt ? [low, high] : [high, low];
      if (begun) g.lineTo(column + 0.5, Y(a)); else g.moveTo(column + 0.5, Y(a));
      if (a !== b) g.lineTo(column + 0.5, Y(b));
      begun = true;
    }
  } else {
    let down = false;
    for (let i = first; i <= last; i++) {
      const across = at(i);
      if (!Number.isFinite(y[i]) || !Number.isFinite(across)) { down = false; continue; }
      if (down) g.lineTo(across, Y(y[i])); else g.moveTo(across, Y(y[i]));
      down = true;
    }
  }
  g.stroke();
}

/** Where a quantity on a grid is zero: lines of points [x, y] (marching squares, the pieces joined). */
function zeroLines(values, n, low, high) {
  const found = [];
  const x = c => low[0] + ((high[0] - low[0]) * c) / (n - 1), y = r => low[1] + ((high[1] - low[1]) * r) / (n - 1);
  const between = (a, b) => a / (a - b);
  for (let r = 0; r < n - 1; r++) {
    for (let c = 0; c < n - 1; c++) {
      const a = values[r * n + c], b = values[r * n + c + 1], d = values[(r + 1) * n + c], e = values[(r + 1) * n + c + 1];
      const cuts = [];
      if (a < 0 !== b < 0) cuts.push([x(c + between(a, b)), y(r)]);
      if (d < 0 !== e < 0) cuts.push([x(c + between(d, e)), y(r + 1)]);
      if (a < 0 !== d < 0) cuts.push([x(c), y(r + between(a, d))]);
      if (b < 0 !== e < 0) cuts.push([x(c + 1), y(r + between(b, e))]);
      for (let i = 0; i + 1 < cuts.length; i += 2) found.push([cuts[i], cuts[i + 1]]);
    }
  }
  return joined(found);
}

/** Pieces of two points that share their ends, as long lines. */
function joined(pieces) {
  const ends = new Map(), key = p => `${p[0]},${p[1]}`, used = new Set();
  for (const piece of pieces) for (const p of piece) ends.set(key(p), [...(ends.get(key(p)) || []), piece]);
  const lines = [];
  for (const piece of pieces) {
    if (used.has(piece)) continue;
    used.add(piece);
    const line = [...piece];
    for (const forward of [true, false]) {
      for (;;) {
        const end = forward ? line[line.length - 1] : line[0];
        const next = ends.get(key(end)).find(other => !used.has(other));
        if (!next) break;
        used.add(next);
        const other = key(next[0]) === key(end) ? next[1] : next[0];
        if (forward) line.push(other); else line.unshift(other);
      }
    }
    lines.push(line);
  }
  return lines;
}
