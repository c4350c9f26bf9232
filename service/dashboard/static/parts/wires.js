// The network as a drawing: a circle a neuron, a line a weight. Positive lines are whole, negative dashed.

import { make, number, plain } from "./page.js";

const MOST_UNITS = 24; // of one layer; more do not fit on a screen
const MOST_SIGNS = 18; // of a name beside its dot; the whole name is its title
const short = (name) => (plain(name).length > MOST_SIGNS ? `${plain(name).slice(0, MOST_SIGNS - 1)}…` : name);

export class Wires {
  // `place` is an svg element; `choose` is called with a neuron's name when one is clicked or entered.
  constructor(place, network, choose) {
    Object.assign(this, { place, network, choose, lines: [], dots: new Map() });
    this.build();
  }

  build() {
    const names = this.network.inputs.flatMap((input) => (input.type === "category" ? input.categories.map((c) => `${input.name}=${c}`) : [input.name]));
    const columns = [names, ...this.network.layers.map((layer, l) => Array.from({ length: layer.units }, (_, k) => `L${l + 1}.n${k + 1}`))];
    const width = 640, height = 320, gap = width / columns.length;
    this.place.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.radius = Math.min(8, (0.42 * height) / Math.min(MOST_UNITS, Math.max(...columns.map((column) => column.length))));
    const spot = (l, k) => [gap * (l + 0.5), (height * (k + 0.5)) / Math.min(columns[l].length, MOST_UNITS)];
    const wires = make("svg:g", { class: "wires" }), dots = make("svg:g", { class: "dots" });
    this.network.layers.forEach((layer, l) => {
      for (let unit = 0; unit < Math.min(layer.units, MOST_UNITS); unit++) for (let k = 0; k < Math.min(layer.inputs, MOST_UNITS, columns[l].length); k++) {
        const [[x1, y1], [x2, y2]] = [spot(l, k), spot(l + 1, unit)];
        const line = make("svg:line", { x1, y1, x2, y2 });
        wires.append(line);
        this.lines.push({ line, layer: l, unit, k });
      }
    });
    columns.forEach((column, l) => column.slice(0, MOST_UNITS).forEach((name, k) => dots.append(this.dot(name, ...spot(l, k), l))));
    this.place.replaceChildren(wires, dots);
    this.stop("L1.n1");
    const hidden = columns.some((column) => column.length > MOST_UNITS);
    if (hidden) this.place.append(make("svg:text", { x: 6, y: height - 6, class: "note" }, `the first ${MOST_UNITS} units of each layer`));
    this.place.setAttribute("aria-label", `Network: ${columns.map((c) => c.length).join(", ")} units${hidden ? `; ${MOST_UNITS} of each layer are drawn` : ""}`);
  }

  dot(name, cx, cy, layer) {
    const circle = make("svg:circle", { cx, cy, r: layer ? this.radius : 6 }), title = make("svg:title", {}, name);
    const group = make("svg:g", { class: "dot" }, title, circle);
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

  weigh(parameters) {
    const starts = [];
    let at = 0, most = 1e-9;
    for (const layer of this.network.layers) {
      starts.push(at);
      at += (layer.inputs + 1) * layer.units;
    }
    for (const w of parameters) most = Math.max(most, Math.abs(w));
    for (const { line, layer, unit, k } of this.lines) {
      const w = parameters[starts[layer] + unit * this.network.layers[layer].inputs + k];
      line.setAttribute("class", w < 0 ? "negative" : "positive");
      line.setAttribute("stroke-width", (0.3 + (4 * Math.abs(w)) / most).toFixed(2));
    }
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
