// Building the page's elements, and the controls of parameters.

/** An element: attributes and listeners (`onclick`), then children (text is never markup). */
function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && typeof value !== "string") element[name] = value;
    else if (value !== false && value !== undefined) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter(child => child !== null && child !== undefined && child !== false));
  return element;
}

const unitText = unit => (unit === "1" ? "" : unit.replace("(pA)/mV", "nS").replace("(nA)/mV", "uS").replace("(uA/cm^2)/mV", "mS/cm^2").replace(/\buF\b/g, "µF").replace(/\buA\b/g, "µA").replace(/\buS\b/g, "µS")
  .replace(/\*\*0\.5/g, "^½").replace(/\*/g, "·").replace("^2", "²").replace("^3", "³"));

/** The range of a slider: the bounds; logarithmic over more than two decades; else 0 to twice the value the scene came with. */
function sliderRange(p, value) {
  const low = p.low === undefined ? -Infinity : p.low, high = p.high === undefined ? Infinity : p.high;
  if (low > 0 && Number.isFinite(high) && high / low > 100) return { low, high, log: true };
  if (Number.isFinite(low) && Number.isFinite(high)) return { low, high };
  const size = (Number.isFinite(value) && Math.abs(value)) || (p.unit === "mV" ? 50 : p.unit === "ms" ? 10 : 1);
  let from = value < 0 ? -2 * size : value > 0 ? 0 : low === -Infinity ? -size : 0;
  if (low > 0) from = Math.max(from, low, size / 100);
  return { low: Math.max(from, low), high: Math.min(value < 0 ? 0 : 2 * size, high) };
}

/** One parameter: a label, a slider, a box, its unit, and the way back. */
function parameterControl({ id, label, p, value, initial, onchange }) {
  const { low, high, log } = sliderRange(p, initial);
  const steps = 400;
  const toSlider = v => (log ? (steps * Math.log(v / low)) / Math.log(high / low) : (steps * (v - low)) / (high - low));
  const fromSlider = s => (log ? low * (high / low) ** (s / steps) : low + ((high - low) * s) / steps);
  const tidy = v => Number(v.toPrecision(4));
  const slider = h("input", { type: "range", id, min: "0", max: String(steps), step: "1" });
  const box = h("input", { type: "number", step: "any", "aria-label": `${label}${unitText(p.unit) ? `, ${unitText(p.unit)}` : ""}` });
  const back = h("button", { type: "button", class: "back", title: `back to ${short(initial)}`, "aria-label": `${label}: back to ${short(initial)}` }, "↺");
  const show = v => {
    box.value = Number.isFinite(v) ? String(v) : "";
    box.placeholder = Number.isFinite(v) ? "" : "∞";
    slider.value = String(Math.min(steps, Math.max(0, toSlider(v))));
    slider.setAttribute("aria-valuetext", `${short(v)} ${unitText(p.unit)}`);
    back.disabled = v === initial;
  };
  const set = (v, done) => {
    const inside = Math.min(Math.max(v, p.low === undefined ? -Infinity : p.low), p.high === undefined ? Infinity : p.high);
    if (!Number.isFinite(inside)) return;
    show(inside);
    onchange(inside, done);
  };
  slider.addEventListener("input", () => set(tidy(fromSlider(Number(slider.value))), false));
  slider.addEventListener("change", () => set(tidy(fromSlider(Number(slider.value))), true));
  box.addEventListener("change", () => (Number.isFinite(box.valueAsNumber) ? set(box.valueAsNumber, true) : show(value)));
  back.addEventListener("click", () => set(initial, true));
  show(value);
  const element = h("div", { class: "parameter" },
    h("label", { for: id, title: p.text || "" }, label.replace(/[_.]/g, "$&\u200b")), slider, box, h("span", { class: "unit" }, unitText(p.unit)), back);
  return { element, show };
}

/** A choice of one from several. */
function choice(label, options, value, onchange) {
  const select = h("select", { onchange: () => onchange(select.value) },
    options.map(([key, text]) => h("option", { value: key, selected: key === value }, text)));
  return { element: h("label", { class: "choice" }, h("span", {}, label), select), select };
}

/** Tabs with panels, moved between by arrows. */
function tabs(entries, onselect) {
  const buttons = entries.map(({ id, title }, i) => h("button", {
    type: "button", role: "tab", id: `tab-${id}`, "aria-controls": `panel-${id}`, "aria-selected": String(i === 0), tabindex: i ? "-1" : "0",
    onclick: () => select(i),
    onkeydown: event => {
      const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!move) return;
      const next = (i + move + entries.length) % entries.length;
      select(next);
      buttons[next].focus();
    },
  }, title));
  const panels = entries.map(({ id, element }, i) => h("div", { role: "tabpanel", id: `panel-${id}`, "aria-labelledby": `tab-${id}`, hidden: i > 0 }, element));
  function select(at) {
    buttons.forEach((b, i) => {
      b.setAttribute("aria-selected", String(i === at));
      b.tabIndex = i === at ? 0 : -1;
      panels[i].hidden = i !== at;
    });
    onselect(entries[at].id);
  }
  return h("section", { class: "tabs" }, h("div", { role: "tablist", "aria-label": "Studies" }, buttons), panels);
}
