// The network as a drawing: a circle a neuron, a line a weight. Positive lines are whole, negative dashed.
// Circles are elements, to be named and chosen; lines are drawn on a canvas below, for a thousand of them move at once.

import { sharp } from "./draw.js";
import { Lines } from "./lines.js";
import { colours, make, number, plain } from "./page.js";

const MOST_UNITS = 24; // of one layer; more do not fit on a screen
const WIDTH = 640, HEIGHT = 320, THICKEST = 4.3;
const MOST_SIGNS = 18; // of a name beside its dot; the whole name is its title
const short = (name) => (plain(name).length > MOST_SIGNS ? `${plain(name).slice(0, MOST_SIGNS - 1)}…` : name);

export class Wires {
  // `place` is an svg element after a canvas; `choose` is called with a neuron's name when one is clicked or entered.
  constructor(place, network, choose) {
    Object.assign(this, { place, canvas: place.previousElementSibling, network, choose, lines: [], dots: new Map() });
    this.build();
    new ResizeObserver(() => this.weighed && this.weigh(this.weighed)).observe(this.canvas);
  }

  build() {
    const names = this.network.inputs.flatMap((input) => (input.type === "category" ? input.categories.map((c) => `${input.name}=${c}`) : [input.name]));
    const columns = [names, ...this.network.layers.map((layer, l) => Array.from({ length: layer.units }, (_, k) => `L${l + 1}.n${k + 1}`))];
    const gap = WIDTH / columns.length;
    this.place.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    this.radius = Math.min(8, (0.42 * HEIGHT) / Math.min(MOST_UNITS, Math.max(...columns.map((column) => column.length))));
    const spot = (l, k) => [gap * (l + 0.5), (HEIGHT * (k + 0.5)) / Math.min(columns[l].length, MOST_UNITS)];
    const dots = make("svg:g", { class: "dots" });
    let at = 0;
    this.network.layers.forEach((layer, l) => {
      for (let unit = 0; unit < Math.min(layer.units, MOST_UNITS); unit++) for (let k = 0; k < Math.min(layer.inputs, MOST_UNITS, columns[l].length); k++) {
        this.lines.push({ from: spot(l, k), to: spot(l + 1, unit), weight: at + unit * layer.inputs + k });
      }
      at += (layer.inputs + 1) * layer.units;
    });
    columns.forEach((column, l) => column.slice(0, MOST_UNITS).forEach((name, k) => dots.append(this.dot(name, ...spot(l, k), l))));
    this.place.replaceChildren(dots);
    this.stop("L1.n1");
    const hidden = columns.some((column) => column.length > MOST_UNITS);
    if (hidden) this.place.append(make("svg:text", { x: 6, y: HEIGHT - 6, class: "note" }, `the first ${MOST_UNITS} units of each layer`));
    this.place.setAttribute("aria-label", `Network: ${columns.map((c) => c.length).join(", ")} units${hidden ? `; ${MOST_UNITS} of each layer are drawn` : ""}`);
  }

  dot(name, cx, cy, layer) {
    const circle = make("svg:circle", { cx, cy, r: layer ? this.radius : 6 }), title = make("svg:title", {}, name);
    const ground = make("svg:circle", { cx, cy, r: circle.getAttribute("r"), class: "ground" }); // hides the lines below
    const group = make("svg:g", { class: "dot" }, title, ground, circle);
    if (!layer) group.append(make("svg:text", { x: cx, y: cy - 10, "text-anchor": "middle" }, short(name)));
    if (layer === this.network.layers.length) group.append(make("svg:text", { x: cx + 14, y: cy + 4 }, short(this.outputName(name))));
    if (layer && this.choose) {
      for (const [key, value] of [["tabindex", -1], ["role", "button"], ["aria-label", `neuron ${name}`]]) group.setAttribute(key, value);
      group.addEventListener("click", () => this.choose(name));
      group.addEventListener("keydown", (event) => this.press(event, name));
    }
    this.dots.set(name, { group, title, circle });
    return group;
  }

  // What an output stands for: a class, the score of two classes, or the target.
  outputName(name) {
    const { classes, target } = this.network, position = Number(name.split(".n")[1]) - 1;
    if (!classes) return target.name;
    return classes.length === 2 ? "score" : String(classes[position]);
  }

  // The drawing is one stop of the Tab key; arrows go from neuron to neuron, Enter chooses.
  press(event, name) {
    const [layer, unit] = name.slice(1).split(".n").map(Number);
    const to = { ArrowUp: [layer, unit - 1], ArrowDown: [layer, unit + 1], ArrowLeft: [layer - 1, unit], ArrowRight: [layer + 1, unit] }[event.key];
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
    for (const [label, { group }] of this.dots) if (group.hasAttribute("tabindex")) group.setAttribute("tabindex", label === name ? 0 : -1);
  }

  // Thick lines last, so that they are seen.
  weigh(parameters) {
    const { ground, signs } = colours(), most = this.lines.reduce((m, { weight }) => Math.max(m, Math.abs(parameters[weight])), 1e-9);
    this.weighed = parameters;
    sharp(this.canvas);
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
