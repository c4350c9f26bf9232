// A trained network in the browser: the same arithmetic as the server's, in the same float64.

const erf = (x) => {
  // Abramowitz & Stegun 7.1.6 (a series) up to 3, and the continued fraction of erfc beyond (7.1.14).
  const a = Math.abs(x);
  if (!(a > 0)) return x;
  if (a > 6) return Math.sign(x);
  if (a < 3) {
    let term = a;
    let sum = a;
    for (let n = 1; Math.abs(term) > 1e-17 * sum; n++) {
      term *= (2 * a * a) / (2 * n + 1);
      sum += term;
    }
    return Math.sign(x) * (2 / Math.sqrt(Math.PI)) * Math.exp(-a * a) * sum;
  }
  let fraction = 0;
  for (let n = 60; n > 0; n--) fraction = n / 2 / (a + fraction);
  return Math.sign(x) * (1 - Math.exp(-a * a) / Math.sqrt(Math.PI) / (a + fraction));
};
const sigmoid = (x) => 1 / (1 + Math.exp(-x));

export const ACTIVATIONS = {
  tanh: Math.tanh,
  relu: (x) => (x <= 0 ? 0 : x),
  leaky_relu: (x) => Math.max(0.01 * x, x),
  elu: (x) => (x > 0 ? x : Math.expm1(x)),
  gelu: (x) => 0.5 * x * (1 + erf(x * Math.SQRT1_2)),
  silu: (x) => x * sigmoid(x),
  sigmoid,
  softplus: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
  linear: (x) => x,
};

const STRETCH = 512; // rows computed together: what a layer gives for them stays in a small cache

export class Network {
  // `shape` is the document of /network; parameters come with each call, so that one network serves a replay.
  constructor(shape) {
    Object.assign(this, shape);
    this.functions = this.layers.map((layer) => ACTIVATIONS[layer.activation]);
    this.signals = this.layers.map(({ units }) =>
      Array.from({ length: units }, () => new Float64Array(STRETCH)),
    );
  }

  // The inputs that a picture can be drawn over.
  get numbers() {
    return this.inputs.filter((input) => input.type === "number");
  }

  // The first two of them that are not the same in all rows, as far as there are any: what a picture lies over.
  get plane() {
    const varied = this.numbers.filter(({ min, max }) => min !== max);
    return [...new Set([...varied, ...this.numbers])].slice(0, 2);
  }

  usualRow() {
    return Object.fromEntries(this.inputs.map((input) => [input.name, input.usual]));
  }

  encode(row) {
    const encoded = new Float64Array(this.layers[0].inputs);
    for (const input of this.inputs) {
      const { at } = this.place(input.name);
      const value = row[input.name];
      if (input.type === "category") {
        const position = input.categories.indexOf(value);
        if (position >= 0) encoded[at + position] = 1;
      } else encoded[at] = (Number(value) - input.offset) / input.scale;
    }
    return encoded;
  }

  place(name) {
    let at = 0;
    for (const input of this.inputs) {
      if (input.name === name) return { at, offset: input.offset, scale: input.scale };
      at += input.width;
    }
    throw new Error(`no input ${name}`);
  }

  axis(name) {
    const input = this.inputs.find((each) => each.name === name);
    const low = input.min ?? 0;
    const high = input.max ?? 1;
    const margin = 0.1 * (high - low || 1);
    return { name, low: low - margin, high: high + margin };
  }

  // The position in `classes` that one row of `answers` speaks for.
  label(answers, row) {
    if (answers.length === 1) return answers[0][row] > 0 ? 1 : 0;
    let best = 0;
    for (let k = 1; k < answers.length; k++) if (answers[k][row] > answers[best][row]) best = k;
    return best;
  }

  // Answers over one or two axes, `count` along each, the other inputs held: one Float64Array an output, the last
  // axis slowest, from its lowest value.
  answers(parameters, axes, count, held) {
    const encoded = this.encode({ ...this.usualRow(), ...held });
    const rows = count ** axes.length;
    const moving = axes.map((axis, a) => ({
      at: this.place(axis.name).at,
      values: this.column(axis, count, count ** a, rows),
    }));
    const found = Array.from({ length: this.layers.at(-1).units }, () => new Float64Array(rows));
    for (let start = 0; start < rows; start += STRETCH) {
      const stop = Math.min(rows, start + STRETCH);
      const part = moving.map(({ at, values }) => ({ at, values: values.subarray(start, stop) }));
      const scores = this.forward(parameters, encoded, part, stop - start);
      scores.forEach((values, k) => found[k].set(values.subarray(0, stop - start), start));
    }
    if (!this.classes) for (const values of found) rescale(values, this.target);
    return found;
  }

  // The encoded values of one axis, each of them `each` times before the next.
  column(axis, count, each, rows) {
    const { offset, scale } = this.place(axis.name);
    const values = new Float64Array(rows);
    for (let row = 0; row < rows; row++) {
      const i = Math.floor(row / each) % count;
      values[row] = (axis.low + ((axis.high - axis.low) * i) / (count - 1) - offset) / scale;
    }
    return values;
  }

  // Scores of rows that are all `encoded` but for the columns that move; they are overwritten by the next call.
  forward(parameters, encoded, moving, rows) {
    const still = Float64Array.from(encoded);
    for (const { at } of moving) still[at] = 0;
    let at = 0;
    let signals = null;
    this.layers.forEach(({ inputs, units }, l) => {
      const biases = at + inputs * units;
      const columns = signals?.map((values, k) => ({ at: k, values })) ?? moving;
      this.signals[l].forEach((sums, unit) => {
        let start = parameters[biases + unit];
        if (l === 0) for (let k = 0; k < inputs; k++) start += parameters[at + k] * still[k];
        sums.fill(start, 0, rows);
        for (const column of columns) addScaled(sums, parameters[at + column.at], column.values, rows);
        apply(this.functions[l], sums, rows);
        at += inputs;
      });
      at = biases + units;
      signals = this.signals[l];
    });
    return signals;
  }
}

// The inner loops run over rows: a browser has compiled them after a few units of the first surface.
function addScaled(sums, weight, values, rows) {
  for (let row = 0; row < rows; row++) sums[row] += weight * values[row];
}

function apply(f, sums, rows) {
  for (let row = 0; row < rows; row++) sums[row] = f(sums[row]);
}

function rescale(values, { scale, offset }) {
  for (let row = 0; row < values.length; row++) values[row] = values[row] * scale + offset;
}

// The flat vector of a model's parameters, from the document of /parameters.
export function flatten(layers) {
  return Float64Array.from(layers.flatMap((layer) => [...layer.weights.flat(), ...layer.biases]));
}

// Snapshots from the compact float64 form: how many, their epochs, their parameters.
export function unpackCheckpoints(buffer) {
  const view = new DataView(buffer);
  const count = view.getUint32(0, true);
  const start = 4 + 4 * count;
  const length = count ? (buffer.byteLength - start) / 8 / count : 0;
  const all = new Float64Array(buffer.slice(start)); // little-endian, as every browser's processor is
  return Array.from({ length: count }, (_, i) => {
    return { epoch: view.getUint32(4 + 4 * i, true), parameters: all.subarray(i * length, (i + 1) * length) };
  });
}
