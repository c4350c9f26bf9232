// A trained network in the browser: the same arithmetic as the server's, in the same float64.

const erf = (x) => {
  // Abramowitz & Stegun 7.1.6 (a series) up to 3, and the continued fraction of erfc beyond (7.1.14).
  const a = Math.abs(x);
  if (!(a > 0)) return x;
  if (a > 6) return Math.sign(x);
  if (a < 3) {
    let term = a, sum = a;
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

export class Network {
  // `shape` is the document of /network; parameters come with each call, so that one network serves a replay.
  constructor(shape) {
    Object.assign(this, shape);
    this.functions = this.layers.map((layer) => ACTIVATIONS[layer.activation]);
    this.signals = this.layers.map((layer) => new Float64Array(layer.units));
  }

  // The first two numbers, which a surface can be drawn over; fewer where there are not so many.
  get numbers() {
    return this.inputs.filter((input) => input.type === "number");
  }

  usualRow() {
    return Object.fromEntries(this.inputs.map((input) => [input.name, input.usual]));
  }

  encode(row) {
    const encoded = new Float64Array(this.layers[0].inputs);
    let at = 0;
    for (const input of this.inputs) {
      const value = row[input.name];
      if (input.type === "category") {
        const position = input.categories.indexOf(value);
        if (position >= 0) encoded[at + position] = 1;
      } else encoded[at] = (Number(value) - input.offset) / input.scale;
      at += input.width;
    }
    return encoded;
  }

  // Scores of an encoded row; the array is used again by the next call.
  scores(parameters, encoded) {
    let signal = encoded, at = 0;
    this.layers.forEach((layer, l) => {
      const out = this.signals[l], biases = at + layer.inputs * layer.units, f = this.functions[l];
      for (let unit = 0; unit < layer.units; unit++) {
        let sum = parameters[biases + unit];
        for (let k = 0; k < layer.inputs; k++) sum += parameters[at++] * signal[k];
        out[unit] = f(sum);
      }
      at = biases + layer.units;
      signal = out;
    });
    return signal;
  }

  answer(scores) {
    return this.classes ? scores : [scores[0] * this.target.scale + this.target.offset];
  }

  // The position in `classes` that scores speak for.
  label(scores) {
    if (scores.length === 1) return scores[0] > 0 ? 1 : 0;
    return scores.indexOf(Math.max(...scores));
  }

  axis(name) {
    const input = this.inputs.find((each) => each.name === name);
    const low = input.min ?? 0, high = input.max ?? 1, margin = 0.1 * (high - low || 1);
    return { name, low: low - margin, high: high + margin };
  }

  // One Float64Array of answers an output, row by row from the lowest y.
  surface(parameters, x, y, count, held) {
    const row = { ...this.usualRow(), ...held };
    const outputs = this.layers[this.layers.length - 1].units;
    const found = Array.from({ length: outputs }, () => new Float64Array(count * count));
    const encoded = this.encode(row);
    const [fx, fy] = [x, y].map((axis) => this.place(axis.name));
    for (let i = 0, at = 0; i < count; i++) {
      encoded[fy.at] = (y.low + ((y.high - y.low) * i) / (count - 1) - fy.offset) / fy.scale;
      for (let j = 0; j < count; j++, at++) {
        encoded[fx.at] = (x.low + ((x.high - x.low) * j) / (count - 1) - fx.offset) / fx.scale;
        const answers = this.answer(this.scores(parameters, encoded));
        for (let k = 0; k < outputs; k++) found[k][at] = answers[k];
      }
    }
    return found;
  }

  place(name) {
    let at = 0;
    for (const input of this.inputs) {
      if (input.name === name) return { at, offset: input.offset, scale: input.scale };
      at += input.width;
    }
    throw new Error(`no input ${name}`);
  }
}

// The flat vector of a model's parameters, from the document of /parameters.
export function flatten(layers) {
  return Float64Array.from(layers.flatMap((layer) => [...layer.weights.flat(), ...layer.biases]));
}

// Snapshots from the compact float64 form: how many, their epochs, their parameters.
export function unpackCheckpoints(buffer) {
  const view = new DataView(buffer), count = view.getUint32(0, true);
  const start = 4 + 4 * count, length = count ? (buffer.byteLength - start) / 8 / count : 0;
  return Array.from({ length: count }, (_, i) => {
    const parameters = new Float64Array(length);
    for (let k = 0; k < length; k++) parameters[k] = view.getFloat64(start + 8 * (i * length + k), true);
    return { epoch: view.getUint32(4 + 4 * i, true), parameters };
  });
}
