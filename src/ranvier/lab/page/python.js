// The Python that reproduces the picture.

const py = x => {
  const v = Number(x);
  if (!Number.isFinite(v)) return Number.isNaN(v) ? "np.nan" : v > 0 ? "np.inf" : "-np.inf";
  return Number.isInteger(v) && Math.abs(v) < 1e15 ? v.toFixed(1) : String(v);
};
const pyList = values => `[${values.map(py).join(", ")}]`;

/** A model's constructor, with what differs from its own defaults. */
function constructorText(described, P) {
  const write = part => {
    const given = [];
    let changed = !part.same;
    for (const a of part.arguments) {
      if (a.part) {
        const inner = write(a.part);
        if (inner.changed) given.push(`${a.name}=${inner.text}`);
        changed = changed || inner.changed;
      } else if (a.items) {
        const inner = Object.entries(a.items).map(([name, item]) => `${JSON.stringify(name)}: ${write(item).text}`);
        given.push(`${a.name}={${inner.join(", ")}}`);
        changed = true;
      } else if (a.is !== undefined) {
        given.push(`${a.name}=${a.is}`);
        changed = true;
      } else if (Array.isArray(P[a.at])) {
        given.push(`${a.name}=${pyList(P[a.at].filter(x => Number.isFinite(Number(x))))}`);
        changed = true;
      } else {
        if (a.own === null || Number(P[a.at]) !== Number(a.own)) given.push(`${a.name}=${py(P[a.at])}`);
        if (a.inherited === null || Number(P[a.at]) !== Number(a.inherited)) changed = true;
      }
    }
    return { text: `${part.class}(${given.join(", ")})`, changed };
  };
  return write(described).text;
}

/** The current of a cell as an expression; null where nothing is injected. */
function currentText(settings, i) {
  const drive = settings.drive[i];
  if (!drive) return null;
  const kind = SCENE.stimuli[i][drive.kind], facts = SCENE.parts[kind];
  if (drive.kind === "Constant" && Number(settings.P[kind][0]) === 0 && !drive.poke) return null;
  const written = drive.kind === "yours" && facts.class === "Function" ? "current" : constructorText(facts.python, settings.P[kind]);
  const poke = drive.poke ? ` + ${constructorText(SCENE.parts[SCENE.stimuli[i].poke].python, settings.P[SCENE.stimuli[i].poke])}` : "";
  return written + poke;
}

function pythonScript(settings) {
  const lines = ["import numpy as np", "import ranvier as rv", ""];
  const models = SCENE.cells.map(key => constructorText(SCENE.parts[key].python, settings.P[key]));
  const own = [...SCENE.cells, ...SCENE.synapses.map(s => s.key)].map(key => SCENE.parts[key].python.class).filter(name => !name.startsWith("rv."));
  for (const name of new Set(own)) lines.push(`# ${name} is a class of your own: have it here, or import it`);
  const end = `duration=${py(settings.duration)}, dt=${py(settings.dt)}, integrator=rv.${settings.integrator}(), seed=${settings.seed}`;
  const start = key => {
    const given = Object.entries((settings.initial || {})[key] || {});
    return given.length ? `{${given.map(([name, v]) => `${JSON.stringify(name)}: ${py(v)}`).join(", ")}}` : null;
  };
  if (SCENE.cells.length === 1) {
    lines.push(`cell = ${models[0]}`);
    const current = currentText(settings, 0), initial = start(SCENE.cells[0]);
    if (current === "current") lines.push("# `current` is your own function of t: have it here");
    lines.push(`run = rv.simulate(cell${current ? `, current=${current}` : ""}${initial ? `, initial=${initial}` : ""}, ${end})`);
    lines.push("print(run.spikes.steps.tolist())", 'run.plot("V")');
    return lines.join("\n") + "\n";
  }
  SCENE.cells.forEach((key, i) => {
    const current = currentText(settings, i), initial = start(key);
    const given = settings.train && settings.train.cell === i ? `rv.neurons.SpikeTimes(times=${pyList(trainTimes(settings.train))})` : models[i];
    lines.push(`${key} = rv.Population(1, ${given}${current ? `, current=${current}` : ""}${initial ? `, initial=${initial}` : ""}, name="${key}")`);
  });
  SCENE.synapses.forEach(s => {
    const plastic = s.plasticity && settings.plastic !== false ? `, short_term_plasticity=${constructorText(SCENE.parts[s.plasticity].python, settings.P[s.plasticity])}` : "";
    const delay = SCENE.parts[s.key].delivers && Number(settings.delay) ? `, delay=${py(settings.delay)}` : "";
    const rule = s.rule ? `, plasticity=${constructorText(SCENE.parts[s.rule].python, settings.P[s.rule])}` : "";
    lines.push(`synapse = rv.Projection(${SCENE.cells[s.source]}, ${SCENE.cells[s.target]}, ${constructorText(SCENE.parts[s.key].python, settings.P[s.key])}, [[1]], weight=${py(settings.weight)}${delay}${plastic}${rule}, name="synapse")`);
  });
  const records = SCENE.cells.filter(key => SCENE.parts[key].variables.includes("V")).map(key => `rv.Record(${key}, "V")`);
  if (SCENE.synapses.some(s => s.rule)) records.push('rv.Record(synapse, "weight")');
  lines.push(`net = rv.Network(${SCENE.cells.join(", ")}, synapse)`, `run = rv.simulate(net, ${end}, record=[${records.join(", ")}])`);
  lines.push(...SCENE.cells.map(key => `print(run["${key}"].spikes.steps.tolist())`));
  return lines.join("\n") + "\n";
}
