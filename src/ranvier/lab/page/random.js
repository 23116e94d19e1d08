// Threefry-2x32-20 and what is drawn from it: the numbers of ranvier.random, bit for bit.

const ROTATIONS = [[13, 15, 26, 6], [17, 29, 16, 24]];

/** Two 32-bit words for a counter. */
function threefry2x32(k0, k1, c0, c1) {
  const keys = [k0 | 0, k1 | 0, k0 ^ k1 ^ 0x1BD11BDA];
  let x = (c0 + keys[0]) | 0, y = (c1 + keys[1]) | 0;
  for (let group = 0; group < 5; group++) {
    for (const r of ROTATIONS[group % 2]) {
      x = (x + y) | 0;
      y = ((y << r) | (y >>> (32 - r))) ^ x;
    }
    x = (x + keys[(group + 1) % 3]) | 0;
    y = (y + keys[(group + 2) % 3] + group + 1) | 0;
  }
  return [x >>> 0, y >>> 0];
}

/** The words for one index in one step of a stream. */
function wordsAt(seed, stream, step, index) {
  const low = seed % 4294967296, high = Math.floor(seed / 4294967296), later = Math.floor(step / 4294967296);
  return threefry2x32(low ^ later, stream ^ high, index, step % 4294967296);
}

/** Whether something of the given probability happens: the words against it in units of 2⁻⁶⁴. */
function happensAt(seed, stream, step, index, probability) {
  if (!(probability > 0)) return false;
  if (probability >= 1) return true;
  const [high, low] = wordsAt(seed, stream, step, index), units = probability * 4294967296, whole = Math.floor(units);
  return high < whole || (high === whole && low < Math.floor((units - whole) * 4294967296));
}

const polynomial = (r, coefficients) => coefficients.reduce((sum, c) => sum * r + c);

/** The quantile of the normal distribution (Wichura 1988, algorithm AS 241), as Python's statistics has it. */
function normalQuantile(p) {
  const q = p - 0.5;
  if (Math.abs(q) <= 0.425) {
    const r = 0.180625 - q * q;
    return (q * polynomial(r,
      [2.50908092873012267270e3, 3.34305755835881281050e4, 6.72657709270087008530e4, 4.59219539315498714570e4,
        1.37316937655094611250e4, 1.97159095030655144270e3, 1.33141667891784377450e2, 3.38713287279636660800e0]))
      / polynomial(r,
        [5.22649527885285456100e3, 2.87290857357219426740e4, 3.93078958000927106100e4, 2.12137943015865958670e4,
          5.39419602142475110770e3, 6.87187007492057908300e2, 4.23133307016009112520e1, 1]);
  }
  const r = Math.sqrt(-Math.log(q <= 0 ? p : 1 - p));
  const x = r <= 5
    ? polynomial(r - 1.6,
      [7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1, 1.27045825245236838258e0,
        3.64784832476320460504e0, 5.76949722146069140550e0, 4.63033784615654529590e0, 1.42343711074968357734e0])
      / polynomial(r - 1.6,
        [1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2, 1.48103976427480074590e-1,
          6.89767334985100004550e-1, 1.67638483018380384940e0, 2.05319162663775882187e0, 1])
    : polynomial(r - 5,
      [2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3, 2.65321895265761230930e-2,
        2.96560571828504891230e-1, 1.78482653991729133580e0, 5.46378491116411436990e0, 6.65790464350110377720e0])
      / polynomial(r - 5,
        [2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5, 7.86869131145613259100e-4,
          1.48753612908506148525e-2, 1.36929880922735805310e-1, 5.99832206555887937690e-1, 1]);
  return q < 0 ? -x : x;
}

/** Upper quantiles in units of 2⁻²⁸: entry 128 e + j is for the tail 2ᵉ (1 + j/128) / 2³³. Made on first use. */
let table = null;
function normalTable() {
  if (table) return table;
  table = new Float64Array(4097);
  for (let e = 0; e < 32; e++) {
    for (let j = 0; j < 128; j++) table[128 * e + j] = Math.round(-normalQuantile(2 ** (e - 33) * (1 + j / 128)) * 2 ** 28);
  }
  return table;
}

/** A standard normal number. */
function normalAt(seed, stream, step, index) {
  const bits = wordsAt(seed, stream, step, index)[0];
  const quantiles = normalTable();
  let tail = ((bits << 1) | 1) >>> 0, octave = 31;
  const shift = Math.clz32(tail);
  tail = (tail << shift) >>> 0;
  octave -= shift;
  const at = octave * 128 + ((tail >>> 24) & 127);
  const high = quantiles[at], fall = high - quantiles[at + 1];
  const part = fall * ((tail >>> 13) & 2047) + Math.floor(fall * ((tail >>> 2) & 2047) / 2048);
  const size = (high - Math.floor(part / 2048)) * 2 ** -28;
  return bits >>> 31 ? -size : size;
}
