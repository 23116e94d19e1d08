// The loop, with Ranvier's rules of time: record, integrate, detect, deliver, reset. Runs in a worker, in the page and in tests.

/** To the nearest whole number, halves to the even one: how times become steps. */
function roundHalfEven(x) {
  const r = Math.round(x);
  return r - x === 0.5 && r % 2 !== 0 ? r - 1 : r;
}

const numbers = values => values.map(v => (Array.isArray(v) ? v.map(Number) : Number(v)));

/** Everything that a run of `scene` with `settings` needs: the parts' functions at these parameters, and where their variables are. */
function assemble(scene, parts, settings) {
  const make = key => parts[key](numbers(settings.P[key]));
  let size = 0;
  const placed = (facts, more) => {
    const part = { ...facts, ...more, from: size, n: facts.variables.length };
    size += part.n;
    return part;
  };
  const cells = scene.cells.map((key, i) => {
    const facts = scene.parts[key], values = numbers(settings.P[key]);
    const drive = settings.drive[i];
    const kinds = facts.takesInput && drive ? [drive.kind, ...(drive.poke ? ["poke"] : [])].map(kind => scene.stimuli[i][kind]) : [];
    const stimuli = kinds.map(k => ({ facts: scene.parts[k], ...make(k) }));
    const steps = facts.refractory < 0 ? 0 : roundHalfEven(values[facts.refractory] / settings.dt);
    return placed(facts, {
      key, f: make(key), stimuli, noisyDrive: stimuli.find(s => s.facts.noisy), refractorySteps: steps,
      V: facts.variables.indexOf("V"), given: facts.fires === "given" ? givenSteps(scene, settings, facts, i) : null,
    });
  });
  const synapses = scene.synapses.map(s => {
    const facts = scene.parts[s.key];
    const plasticity = s.plasticity && settings.plastic !== false
      ? placed(scene.parts[s.plasticity], { key: s.plasticity, f: make(s.plasticity) }) : null;
    const rule = s.rule ? placed(scene.parts[s.rule], { key: s.rule, f: make(s.rule), sign: Number(settings.weight) < 0 && scene.parts[s.rule].bySize ? -1 : 1 }) : null;
    if (rule) rule.traces = rule.f.traces(Number(settings.dt));
    return placed(facts, {
      key: s.key, f: make(s.key), rule, source: s.source, target: s.target, plasticity, weight: Number(settings.weight),
      delaySteps: facts.delivers ? roundHalfEven(Number(settings.delay) / settings.dt) : 0,
    });
  });
  return { cells, synapses, size, parts: [...cells, ...synapses, ...synapses.flatMap(s => s.plasticity || []), ...synapses.flatMap(s => s.rule || [])] };
}

/** The steps of spikes that are known beforehand: the model's own, or a regular train. */
function givenSteps(scene, settings, facts, i) {
  const train = settings.train;
  const times = train && train.cell === i ? trainTimes(train) : facts.given;
  return new Set(times.map(t => roundHalfEven(t / settings.dt)));
}

function trainTimes(train) {
  const times = Array.from({ length: Math.max(0, Math.round(train.count)) }, (_, i) => train.start + (i * 1000) / train.rate);
  if (train.recovery > 0 && times.length) times.push(times[times.length - 1] + train.recovery);
  return times;
}

/** An array for all variables, with a window on each part's. */
function variables(system) {
  const all = new Float64Array(system.size);
  return { all, of: system.parts.map(p => all.subarray(p.from, p.from + p.n)) };
}

/** The slopes with equal weights together: added first, multiplied once, as the integrators of Ranvier do it. */
function grouped(weights) {
  const groups = [];
  weights.forEach((w, i) => {
    if (!w) return;
    const group = groups.find(g => g.w === w);
    if (group) group.at.push(i); else groups.push({ w, at: [i] });
  });
  return groups;
}

class Run {
  constructor(scene, parts, settings) {
    this.scene = scene;
    this.settings = settings;
    this.system = assemble(scene, parts, settings);
    this.dt = Number(settings.dt);
    this.k = 0;
    this.y = variables(this.system);
    this.before = variables(this.system);
    this.inputs = this.system.cells.map(() => [0, 0]);
    this.held = this.system.cells.map(() => 0);
    this.last = this.system.cells.map(() => -Infinity);
    this.spikes = this.system.cells.map(() => []);
    this.history = this.system.synapses.map(() => []);
    this.scratch = new Float64Array(64);
    this.moves = Int32Array.from(this.system.parts.flatMap(p => p.moving.map(v => p.from + v)));
    this.sum = new Float64Array(this.moves.length);
    this.spiked = this.system.cells.map(() => false);
    this.closed = this.system.cells.map(() => false);
    this.earlier = [...this.last];
    this.method = scene.integrators[settings.integrator];
    this.advance = this.integrator(this.method);
    for (const [i, part] of this.system.parts.entries()) {
      if (part.kind === "rule") this.y.of[i][0] = part.sign * Number(settings.weight); else this.y.of[i].set(part.f.initial());
      const given = (settings.initial || {})[part.key] || {};
      for (const [name, value] of Object.entries(given)) this.y.of[i][part.variables.indexOf(name)] = Number(value);
    }
  }

  /** What reaches each membrane at the time t: conductance and offset. */
  reach(y, t) {
    const { cells, synapses } = this.system;
    for (let i = 0; i < cells.length; i++) {
      this.inputs[i][0] = 0;
      this.inputs[i][1] = this.injected(i, t);
    }
    for (let j = 0; j < synapses.length; j++) {
      const s = synapses[j];
      if (!s.transmits) continue;
      s.f.input(y.of[cells.length + j], y.of[s.source], s.weight, y.of[s.target][cells[s.target].V], t, this.scratch);
      this.inputs[s.target][0] += this.scratch[0];
      this.inputs[s.target][1] += this.scratch[1];
    }
  }

  injected(i, t) {
    let current = 0;
    for (const s of this.system.cells[i].stimuli) current += s.current(t);
    return current + this.held[i];
  }

  /** Calls a function of each part that moves: `derivatives`, `slopes`. */
  each(name, y, t, into) {
    const { cells, synapses } = this.system;
    for (let i = 0; i < cells.length; i++) {
      if (cells[i].moving.length) cells[i].f[name](y.of[i], this.inputs[i][0], this.inputs[i][1], t, into[i]);
    }
    for (let j = 0; j < synapses.length; j++) {
      const at = cells.length + j, s = synapses[j];
      if (s.moving.length) s.f[name](y.of[at], y.of[s.source], t, into[at]);
    }
  }

  rate(y, t, into) {
    this.reach(y, t);
    this.each("derivatives", y, t, into);
  }

  /** A place for the slopes of all that moves, with a window on each part's. */
  slots() {
    const flat = new Float64Array(this.moves.length);
    let from = 0;
    const of = this.system.parts.map(p => flat.subarray(from, (from += p.moving.length)));
    return Object.assign(of, { flat });
  }

  /** `to = from + Σ (h w) slopes`, over what moves. */
  moved(to, from, h, groups, slopes) {
    const { moves } = this, a = from.all, b = to.all;
    for (let g = 0; g < groups.length; g++) {
      const { w, at } = groups[g], hw = h * w, first = slopes[at[0]].flat;
      for (let j = 0; j < moves.length; j++) {
        let slope = first[j];
        for (let n = 1; n < at.length; n++) slope += slopes[at[n]].flat[j];
        this.sum[j] = g ? this.sum[j] + hw * slope : hw * slope;
      }
    }
    for (let j = 0; j < moves.length; j++) b[moves[j]] = a[moves[j]] + this.sum[j];
  }

  integrator(method) {
    const { y } = this;
    if (method.kind === "rungeKutta") {
      const stages = method.a.map((weights, i) => ({ c: method.c[i], groups: grouped(weights) }));
      const end = grouped(method.b), slopes = stages.map(() => this.slots()), at = variables(this.system);
      return (t, next) => {
        const h = next - t;
        at.all.set(y.all);
        for (let i = 0; i < stages.length; i++) {
          const { c, groups } = stages[i];
          if (groups.length) this.moved(at, y, h, groups, slopes);
          this.rate(at, c === 0 ? t : c === 1 ? next : t + c * (next - t), slopes[i]);
        }
        this.moved(y, y, h, end, slopes);
      };
    }
    const rates = this.slots(), others = this.slots();
    const each = advance => {
      this.system.parts.forEach((part, i) => part.moving.forEach((at, m) => {
        y.of[i][at] = advance(y.of[i][at], rates[i][m], others[i][m], i, m);
      }));
    };
    if (method.kind === "exponentialEuler") {
      return (t, next) => {
        const h = next - t;
        this.rate(y, t, rates);
        this.each("slopes", y, t, others);
        each((x, rate, slope) => {
          const z = h * slope;
          const phi = Math.abs(z) < 1e-4 ? 1 + z / 2 + (z * z) / 6 : (Math.exp(z) - 1) / z;
          return x + h * phi * rate;
        });
      };
    }
    return (t, next) => {  // Euler–Maruyama
      const h = next - t, root = Math.sqrt(h);
      this.rate(y, t, rates);
      this.system.cells.forEach((cell, i) => (cell.noisy ? cell.f.diffusion(y.of[i], others[i]) : others[i].fill(0)));
      each((x, f, g, i, m) => {
        const xi = g ? normalAt(this.settings.seed, this.scene.streams[i].diffusion[m], this.k, 0) : 0;
        return x + (h * f + g * (root * xi));
      });
    };
  }

  /** One step: from t_k to t_k+1. */
  step() {
    const { cells, synapses } = this.system, { y, before, k, dt } = this;
    const t = k * dt, next = (k + 1) * dt;
    for (let i = 0; i < cells.length; i++) {
      const cell = cells[i];
      if (!cell.noisyDrive) continue;
      this.held[i] = (cell.noisyDrive.noise(t) / Math.sqrt(dt)) * normalAt(this.settings.seed, this.scene.streams[i].noise, k, 0);
    }
    before.all.set(y.all);
    this.advance(t, next);

    const { spiked, closed, earlier } = this;
    for (let i = 0; i < cells.length; i++) {
      earlier[i] = this.last[i];
      const cell = cells[i], after = y.of[i];
      const refractory = cell.refractorySteps > 0 && k <= this.last[i] + cell.refractorySteps;
      if (refractory) for (const v of cell.held) after[v] = before.of[i][v];
      spiked[i] = !refractory && this.fires(cell, i, before.of[i], after, k, t);
      if (spiked[i]) {
        this.last[i] = k;
        this.spikes[i].push(k);
      }
      closed[i] = spiked[i] || refractory;
    }
    for (let j = 0; j < synapses.length; j++) this.deliver(synapses[j], j, spiked, closed, earlier, t);
    for (let i = 0; i < cells.length; i++) {
      if (spiked[i] && cells[i].resets) this.change(y.of[i], d => cells[i].f.reset(y.of[i], d));
    }
    this.k = k + 1;
  }

  fires(cell, i, before, after, k, t) {
    if (cell.fires === "test") return cell.f.spiked(before, after);
    if (cell.fires === "given") return cell.given.has(k);
    return happensAt(this.settings.seed, this.scene.streams[i].spikes, k, 0, -Math.expm1(-cell.f.hazard(after, t) * this.dt));
  }

  /** A function's results in place of what they are made from. */
  change(state, write) {
    write(this.scratch);
    for (let v = 0; v < state.length; v++) state[v] = this.scratch[v];
  }

  /** What a synapse's source does when it spikes, and what arrives at the end of this step. */
  deliver(s, j, spiked, closed, earlier, t) {
    const { cells } = this.system, state = this.y.of[cells.length + j];
    if (s.emits) this.change(state, d => s.f.emit(state, spiked[s.source], t, d));
    if (!s.delivers) return;
    let amplitude = spiked[s.source] ? 1 : 0;
    if (s.plasticity) {
      const own = this.y.of[this.system.parts.indexOf(s.plasticity)];
      s.plasticity.f.emit(own, spiked[s.source], t - earlier[s.source] * this.dt, this.scratch);
      for (let v = 0; v < own.length; v++) own[v] = this.scratch[v];
      amplitude = this.scratch[own.length];
    }
    const queue = this.history[j];
    if (spiked[s.source]) queue.push([this.k, amplitude]);
    let arriving = 0, arrived = false;
    const weight = s.rule ? s.rule.sign * this.y.of[this.system.parts.indexOf(s.rule)][0] : s.weight;
    while (queue.length && queue[0][0] + s.delaySteps <= this.k) {
      arriving += weight * queue.shift()[1];
      arrived = true;
    }
    if (s.rule) learn(s.rule, this.y.of[this.system.parts.indexOf(s.rule)], arrived, spiked[s.target]);
    if (s.receives) this.change(state, d => s.f.receive(state, arriving, d));
    if (s.kicks) {
      const cell = cells[s.target];
      if (!(cell.resets && closed[s.target])) this.y.of[s.target][cell.V] += s.f.kick(arriving);
    }
  }

  finite() {
    return this.y.all.every(x => Math.abs(x) < 1e9 || x === -Infinity);
  }
}

/** One step of a rule: the traces fade, an arrival changes the weight, then a spike of the target; each sees the traces without itself. */
function learn(rule, state, arrived, fired, traces = rule.traces) {
  const n = rule.nearest.length, first = rule.arrivals;
  const mark = (from, to) => {
    for (let i = from; i < to; i++) state[1 + i] = rule.nearest[i] ? traces[n + i] : state[1 + i] + traces[n + i];
  };
  for (let i = 0; i < n; i++) state[1 + i] *= traces[i];
  if (arrived) {
    state[0] = rule.f.arrival(state);
    mark(0, first);
  }
  if (fired) {
    state[0] = rule.f.fired(state);
    mark(first, n);
  }
}

/** The weight after arrivals and spikes of the target at given times, as the rule alone makes it. */
function weightAfter(rule, weight, arrivals, spikes) {
  const state = new Float64Array(1 + rule.nearest.length), sign = weight < 0 && rule.bySize ? -1 : 1;
  state[0] = sign * weight;
  const times = [...new Set([...arrivals, ...spikes])].sort((a, b) => a - b);
  let last = times[0];
  for (const t of times) {
    learn(rule, state, arrivals.includes(t), spikes.includes(t), rule.f.traces(t - last));
    last = t;
  }
  return sign * state[0];
}

/**
 * A whole run.
 * @returns rows of the state at t_k for every `stride`-th step, with what can be observed then; spikes in steps; the first bad time or null.
 */
function simulate(scene, parts, settings, { stride = 1, observe = true, rows = true } = {}) {
  const run = new Run(scene, parts, settings);
  const { cells, synapses } = run.system;
  const steps = Math.round(settings.duration / settings.dt);
  const count = rows ? Math.floor(steps / stride) + 1 : 0;
  const columns = [];
  run.system.parts.forEach((part, i) => part.variables.forEach((name, v) =>
    columns.push({ part: part.key, name, read: () => run.y.of[i][v] })));
  const seen = cells.map(cell => new Float64Array(cell.observables.length));
  cells.forEach((cell, i) => {
    if (cell.takesInput) columns.push({ part: cell.key, name: "injected_current", read: t => run.injected(i, t) });
    if (observe) cell.observables.forEach((name, v) => columns.push({ part: cell.key, name, read: () => seen[i][v] }));
  });
  if (observe && synapses.length) {
    cells.forEach((cell, i) => {
      if (!synapses.some(s => s.target === i && s.transmits)) return;
      const current = t => run.inputs[i][0] * run.y.of[i][cell.V] - (run.inputs[i][1] - run.injected(i, t));
      columns.push({ part: cell.key, name: "synaptic_current", read: current });
    });
  }
  for (const column of columns) column.values = new Float64Array(count);
  let bad = null;
  for (let row = 0; ; run.step()) {
    if (rows && run.k % stride === 0) {
      const t = run.k * run.dt;
      if (observe) {
        run.reach(run.y, t);
        cells.forEach((cell, i) => cell.f.observables(run.y.of[i], run.inputs[i][0], run.inputs[i][1], t, seen[i]));
      }
      for (const column of columns) column.values[row] = column.read(t);
      row++;
    }
    if (run.k >= steps) break;
    if (run.k % 64 === 0 && !run.finite()) {
      bad = run.k * run.dt;
      break;
    }
  }
  return {
    dt: run.dt, stride, steps: run.k, bad, spikes: run.spikes,
    columns: columns.map(({ part, name, values }) => ({ part, name, values })),
    end: run.system.parts.map((part, i) => [part.key, Object.fromEntries(part.variables.map((name, v) => [name, run.y.of[i][v]]))]),
  };
}
