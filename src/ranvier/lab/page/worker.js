// What runs beside the page: whole runs, and the studies that need many. The newest request wins.

const copy = settings => JSON.parse(JSON.stringify(settings));

/** Settings with one number changed: `P.cell.3`, `duration`. */
function withValue(settings, path, value) {
  const changed = copy(settings);
  const keys = path.split("|");
  let place = changed;
  for (const key of keys.slice(0, -1)) place = place[key];
  place[keys[keys.length - 1]] = value;
  return changed;
}

/** What is measured of the spikes of one cell after a settling time. */
function measures(result, cell, settle) {
  const times = result.spikes[cell].map(k => k * result.dt);
  const late = times.filter(t => t >= settle), span = result.steps * result.dt - settle;
  const V = result.columns.find(c => c.name === "V" && c.part === SCENE.cells[cell]);
  const values = V ? V.values : [];
  let sum = 0;
  for (const v of values) sum += v;
  return {
    count: times.length,
    rate: late.length > 1 ? (1000 * (late.length - 1)) / (late[late.length - 1] - late[0]) : span > 0 ? (1000 * late.length) / span : 0,
    instant: times.length > 1 ? 1000 / (times[1] - times[0]) : 0,
    latency: times.length ? times[0] : NaN,
    mean: values.length ? sum / values.length : NaN,
  };
}

const JOBS = {
  run({ settings, stride }) {
    return simulate(SCENE, PARTS, settings, { stride });
  },

  /** Rates over constant currents, coarse first; of several workers each takes its share. */
  async rates({ settings, cell, low, high, count, duration, settle, lane, lanes }, post, stale) {
    const kind = SCENE.stimuli[cell].Constant;
    const order = [...Array(count).keys()].sort((a, b) => (b & -b || count) - (a & -a || count));
    const base = copy(settings);
    base.drive[cell] = { kind: "Constant" };
    base.duration = duration;
    let last = performance.now();
    for (const [at, i] of order.entries()) {
      if (at % lanes !== lane) continue;
      const current = low + ((high - low) * i) / (count - 1);
      base.P[kind][0] = current;
      const result = simulate(SCENE, PARTS, base, { rows: false });
      post({ i, current, ...measures(result, cell, settle) });
      if (performance.now() - last > 30) {
        if (await stale()) return null;
        last = performance.now();
      }
    }
    return { finished: true };
  },

  /** The change of the weight by pairs of an arrival and a spike of the target, over the time between them. */
  window({ settings, rule: key, span, pairs, frequency, count }) {
    const rule = { ...SCENE.parts[key], f: PARTS[key](numbers(settings.P[key])) }, weight = Number(settings.weight);
    const lags = new Float64Array(count), change = new Float64Array(count);
    const starts = Array.from({ length: pairs }, (_, i) => (i * 1000) / frequency);
    for (let i = 0; i < count; i++) {
      lags[i] = -span + (2 * span * i) / (count - 1);
      change[i] = (100 * (weightAfter(rule, weight, starts, starts.map(t => t + lags[i])) - weight)) / Math.abs(weight);
    }
    return { lags, change };
  },

  /** How each parameter, one percent up and down, changes what the cell does. */
  async sensitivity({ settings, cell, settle }, post, stale) {
    const rows = [];
    const measure = s => measures(simulate(SCENE, PARTS, s, { stride: 4, observe: false }), cell, settle);
    const base = measure(settings);
    for (const key of [...SCENE.cells, ...SCENE.synapses.flatMap(s => [s.key, ...[s.plasticity, s.rule].filter(Boolean)])]) {
      for (const [i, p] of SCENE.parts[key].parameters.entries()) {
        const value = Number(settings.P[key][i]);
        if (!value || !Number.isFinite(value)) continue;
        const [down, up] = [0.99, 1.01].map(f => measure(withValue(settings, `P|${key}|${i}`, value * f)));
        rows.push({ key, i, name: p.name, down, up });
        if (await stale()) return null;
      }
    }
    return { base, rows };
  },

  /** The plane of two variables: their rates on a grid, the other variables held or at rest there. */
  plane({ settings, cell, x, y, low, high, n, others, current, time }) {
    const run = new Run(SCENE, PARTS, settings), part = run.system.cells[cell], state = run.y.of[cell];
    const held = others || Array.from(state);
    const d = new Float64Array(part.moving.length), e = new Float64Array(part.moving.length);
    const at = v => part.moving.indexOf(v);
    const dx = new Float64Array(n * n), dy = new Float64Array(n * n);
    for (let row = 0; row < n; row++) {
      for (let column = 0; column < n; column++) {
        state.set(held);
        state[x] = low[0] + ((high[0] - low[0]) * column) / (n - 1);
        state[y] = low[1] + ((high[1] - low[1]) * row) / (n - 1);
        if (!others) settle(part, state, [x, y], current, time, d, e);
        part.f.derivatives(state, 0, current, time, d);
        dx[row * n + column] = at(x) < 0 ? 0 : d[at(x)];
        dy[row * n + column] = at(y) < 0 ? 0 : d[at(y)];
      }
    }
    return { x, y, low, high, n, dx, dy };
  },

  /** Where each variable settles over the potential, and how fast. */
  gates({ settings, cell, low, high, n }) {
    const run = new Run(SCENE, PARTS, settings), part = run.system.cells[cell], state = run.y.of[cell];
    const d = new Float64Array(part.moving.length), e = new Float64Array(part.moving.length);
    const found = part.moving.filter(v => v !== part.V).map(v => ({ name: part.variables[v], rest: new Float64Array(n), tau: new Float64Array(n) }));
    const V = new Float64Array(n), start = Array.from(state);
    for (let i = 0; i < n; i++) {
      V[i] = low + ((high - low) * i) / (n - 1);
      state.set(start);
      state[part.V] = V[i];
      settle(part, state, [part.V], 0, 0, d, e);
      part.f.slopes(state, 0, 0, 0, e);
      for (const gate of found) {
        const v = part.variables.indexOf(gate.name), m = part.moving.indexOf(v);
        gate.rest[i] = state[v];
        gate.tau[i] = -1 / e[m];
      }
    }
    return { V, found };
  },
};

/** Moves all variables but some to where their own equations come to rest; exact where those are linear. */
function settle(part, state, but, current, time, d, e) {
  for (let round = 0; round < 2; round++) {
    part.f.derivatives(state, 0, current, time, d);
    part.f.slopes(state, 0, current, time, e);
    part.moving.forEach((v, m) => {
      if (!but.includes(v) && e[m] < 0) state[v] -= d[m] / e[m];
    });
  }
}

/** Answers requests `{id, job, …}`; one that is older than the newest of its job is given up. */
function serve(post) {
  const newest = {};
  return async request => {
    const { id, job, lane } = request;
    newest[job] = id;
    const pause = () => new Promise(resolve => setTimeout(resolve, 0));
    const stale = async () => {
      await pause();
      return newest[job] !== id;
    };
    try {
      const result = await JOBS[job](request, part => post({ id, job, lane, part }), stale);
      if (result) post({ id, job, lane, result });
    } catch (error) {
      post({ id, job, lane, error: String((error && error.message) || error) });
    }
  };
}

if (typeof WorkerGlobalScope !== "undefined" && self instanceof WorkerGlobalScope) {
  const answer = serve(message => {
    const columns = (message.result && message.result.columns) || [];
    self.postMessage(message, columns.map(c => c.values.buffer));
  });
  self.onmessage = event => answer(event.data);
}
