// The network as a drawing: a circle a neuron, a line a weight. Positive lines are whole, negative dashed.
// Circles are elements, to be named and chosen; lines are drawn on a canvas below, for a thousand of them move at once.

import { sharp } from "./canvas.js";
import { colours, make, number, plain } from "../page.js";

const MOST_UNITS = 24; // of one layer; more do not fit on a screen
const WIDTH = 640;
const HEIGHT = 320;
const THICKEST = 4.3;
const DASH = 4;
const GAP = 3;
const NOTE = 16; // of the height, for a line of words
const MOST_SIGNS = 18; // of a name beside its dot; the whole name is its title
const SIGN_WIDTH = 6.6; // of the drawing's letters
const neurons = (layer, units) => Array.from({ length: units }, (_, k) => `L${layer}.n${k + 1}`);
const short = (name) => (plain(name).length > MOST_SIGNS ? `${plain(name).slice(0, MOST_SIGNS - 1)}…` : name);

// What goes into the first layer, with its place there: a category has one for each value; flags of gaps are not drawn.
function inputsOf(network) {
  return network.inputs.flatMap(({ name, type, categories }) => {
    const { at } = network.place(name);
    return type === "category"
      ? categories.map((each, i) => ({ name: `${name}=${each}`, at: at + i }))
      : [{ name, at }];
  });
}

export class Wires {
  // `place` is an svg element after a canvas; `choose` is called with a neuron's name when one is clicked or entered.
  constructor(place, network, choose) {
    Object.assign(this, {
      place,
      canvas: place.previousElementSibling,
      network,
      choose,
      lines: [],
      dots: new Map(),
    });
    this.build();
    new ResizeObserver(
      () => this.weighed && this.canvas.clientWidth !== this.width && this.weigh(this.weighed),
    ).observe(this.canvas);
  }

  build() {
    this.inputs = inputsOf(this.network);
    const { layers } = this.network;
    const columns = [
      this.inputs.map(({ name }) => name),
      ...layers.map(({ units }, l) => neurons(l + 1, units)),
    ];
    const shown = columns.map((column) => column.slice(0, MOST_UNITS));
    const spot = this.places(shown);
    const dots = make("svg:g", { class: "dots" });
    this.place.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    this.radius = Math.min(8, (0.42 * HEIGHT) / Math.max(...shown.map((column) => column.length)));
    let at = 0;
    layers.forEach(({ inputs, units }, l) => {
      shown[l + 1].forEach((_, unit) =>
        shown[l].forEach((_, k) => {
          this.lines.push({
            from: spot(l, k),
            to: spot(l + 1, unit),
            weight: at + unit * inputs + (l ? k : this.inputs[k].at),
          });
        }),
      );
      at += (inputs + 1) * units;
    });
    shown.forEach((column, l) => column.forEach((name, k) => dots.append(this.dot(name, ...spot(l, k), l))));
    this.place.replaceChildren(dots);
    this.stop("L1.n1");
    this.say(columns.map((column) => column.length));
  }

  // Where each circle stands: names have their room beside the first and the last layer.
  places(shown) {
    const room = (names) => 24 + SIGN_WIDTH * Math.max(...names.map((name) => short(name).length));
    const left = room(shown[0]);
    const right = room(shown.at(-1).map((name) => this.outputName(name)));
    const gap = (WIDTH - left - right) / (shown.length - 1);
    return (l, k) => [left + gap * l, ((HEIGHT - NOTE) * (k + 0.5)) / shown[l].length];
  }

  say(units) {
    const hidden = Math.max(...units) > MOST_UNITS;
    if (hidden)
      this.place.append(
        make(
          "svg:text",
          { x: WIDTH / 2, y: HEIGHT - 4, "text-anchor": "middle", class: "note" },
          `the first ${MOST_UNITS} units of each layer`,
        ),
      );
    this.place.setAttribute(
      "aria-label",
      `Network: ${units.join(", ")} units${hidden ? `; ${MOST_UNITS} of each layer are drawn` : ""}`,
    );
  }

  dot(name, cx, cy, layer) {
    const r = layer ? this.radius : Math.min(6, this.radius);
    const circle = make("svg:circle", { cx, cy, r });
    const title = make("svg:title", {}, name);
    const ground = make("svg:circle", { cx, cy, r, class: "ground" }); // hides the lines below
    const group = make("svg:g", { class: "dot" }, title, ground, circle);
    if (!layer) group.append(make("svg:text", { x: cx - 12, y: cy + 4, "text-anchor": "end" }, short(name)));
    if (layer === this.network.layers.length)
      group.append(make("svg:text", { x: cx + 14, y: cy + 4 }, short(this.outputName(name))));
    if (layer && this.choose) this.makeButton(group, name);
    this.dots.set(name, { group, title, circle });
    return group;
  }

  makeButton(group, name) {
    for (const [key, value] of [
      ["tabindex", -1],
      ["role", "button"],
      ["aria-label", `neuron ${name}`],
    ])
      group.setAttribute(key, value);
    group.addEventListener("click", () => this.choose(name));
    group.addEventListener("keydown", (event) => this.press(event, name));
  }

  // What an output stands for: a class, the score of two classes, or the target.
  outputName(name) {
    const { classes, target } = this.network;
    const position = Number(name.split(".n")[1]) - 1;
    if (!classes) return target.name;
    return classes.length === 2 ? "score" : String(classes[position]);
  }

  // The drawing is one stop of the Tab key; arrows go from neuron to neuron, Enter chooses.
  press(event, name) {
    const [layer, unit] = name.slice(1).split(".n").map(Number);
    const to = {
      ArrowUp: [layer, unit - 1],
      ArrowDown: [layer, unit + 1],
      ArrowLeft: [layer - 1, unit],
      ArrowRight: [layer + 1, unit],
    }[event.key];
    if (event.key === "Enter" || event.key === " ") this.choose(name);
    else if (!to) return;
    else this.focus(...to);
    event.preventDefault();
  }

  focus(layer, unit) {
    if (!this.network.layers[layer - 1]) return;
    const last = Math.min(MOST_UNITS, this.network.layers[layer - 1].units);
    const name = `L${layer}.n${Math.min(Math.max(unit, 1), last)}`;
    this.stop(name);
    this.dots.get(name).group.focus();
  }

  // The one neuron that Tab reaches.
  stop(name) {
    if (!this.choose || !this.dots.has(name)) return;
    for (const [label, { group }] of this.dots)
      if (group.hasAttribute("tabindex")) group.setAttribute("tabindex", label === name ? 0 : -1);
  }

  // Thick lines last, so that they are seen.
  weigh(parameters) {
    const { ground, signs } = colours();
    const most = this.lines.reduce((m, { weight }) => Math.max(m, Math.abs(parameters[weight])), 1e-9);
    this.weighed = parameters;
    this.width = sharp(this.canvas).width;
    if (!this.canvas.width || !this.canvas.height) return; // not laid out yet
    const picture = new Lines(this.canvas, this.canvas.width / WIDTH, ground);
    this.lines.sort((a, b) => Math.abs(parameters[a.weight]) - Math.abs(parameters[b.weight]));
    for (const { from, to, weight } of this.lines) {
      const w = parameters[weight];
      picture.draw(from, to, 0.3 + ((THICKEST - 0.3) * Math.abs(w)) / most, signs[w < 0 ? 1 : 0], w < 0);
    }
    picture.show();
  }

  // What each neuron holds, from the nodes of a graph; the strongest are the fullest.
  fill(nodes) {
    const most = nodes.reduce((m, node) => Math.max(m, Math.abs(node.data ?? 0)), 1e-9);
    for (const node of nodes) {
      const dot = this.dots.get(node.label);
      if (!dot) continue;
      dot.title.textContent = `${node.label}: data ${number(node.data)}, grad ${number(node.grad)}`;
      dot.group.classList.toggle("below", (node.data ?? 0) < 0);
      dot.group.classList.toggle("above", (node.data ?? 0) >= 0);
      dot.circle.setAttribute("fill-opacity", (0.15 + (0.85 * Math.abs(node.data ?? 0)) / most).toFixed(2));
    }
  }

  point(name) {
    if (name) this.stop(name);
    for (const [label, { group }] of this.dots) group.classList.toggle("chosen", label === name);
  }
}

// Many straight lines at once, put into pixels one by one: where no graphics card helps, that is ten times faster
// than a canvas's own strokes, and a replay draws a thousand lines at every frame.
class Lines {
  // A picture of the canvas's own pixels on an opaque ground; `scale` is pixels a unit. Colours are [r, g, b].
  constructor(canvas, scale, ground) {
    const { width, height } = canvas;
    const pen = canvas.getContext("2d");
    const image = pen.createImageData(width, height);
    const all = new Uint32Array(image.data.buffer);
    all.fill((0xff000000 | (ground[2] << 16) | (ground[1] << 8) | ground[0]) >>> 0);
    Object.assign(this, { pen, image, scale, width, height });
  }

  // Pixel column by pixel column, or row by row where it is steep; a pixel takes as much colour as it is covered.
  draw(from, to, width, colour, dashed) {
    const { scale } = this;
    const steep = Math.abs(to[1] - from[1]) > Math.abs(to[0] - from[0]);
    let [a, b] = [from, to].map(([x, y]) => (steep ? [y * scale, x * scale] : [x * scale, y * scale]));
    if (a[0] > b[0]) [a, b] = [b, a];
    const slope = (b[1] - a[1]) / (b[0] - a[0] || 1);
    const stretch = Math.hypot(1, slope);
    const half = 0.5 * width * scale * stretch;
    const long = steep ? this.height : this.width;
    const wide = steep ? this.width : this.height;
    const [along, across] = steep ? [4 * this.width, 4] : [4, 4 * this.width];
    const { data } = this.image;
    const [red, green, blue] = colour;
    for (let i = Math.max(0, Math.ceil(a[0])); i <= b[0] && i < long; i++) {
      if (dashed && (((i - a[0]) * stretch) / scale) % (DASH + GAP) > DASH) continue;
      const middle = a[1] + slope * (i - a[0]);
      const top = middle - half;
      const bottom = middle + half;
      for (let j = Math.max(0, Math.floor(top)); j < bottom && j < wide; j++) {
        const cover = Math.min(j + 1, bottom) - Math.max(j, top);
        const at = i * along + j * across;
        data[at] += cover * (red - data[at]);
        data[at + 1] += cover * (green - data[at + 1]);
        data[at + 2] += cover * (blue - data[at + 2]);
      }
    }
  }

  show() {
    this.pen.putImageData(this.image, 0, 0);
  }
}
