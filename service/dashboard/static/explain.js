// Explain a model: inputs as sliders, the answer and its exact derivatives, and the expression behind it.

import { API, ask, coalesced, find, keep, make, number, onThemeChange, query, show } from "./page.js";
import { drawSurface } from "./draw.js";
import { Network, flatten } from "./network.js";
import { Stepper } from "./stepper.js";
import { Wires } from "./wires.js";

const COUNT = 60;
const reference = find("explain").dataset.model, path = `/models/${encodeURIComponent(reference)}`;
const [shape, parameters, model] = await Promise.all([ask(`${path}/network`), ask(`${path}/parameters`), ask(path)]);
const network = new Network(shape), weights = flatten(parameters.layers);
const row = { ...network.usualRow() }, wires = new Wires(find("network"), network, choose);
const [x, y] = network.numbers.map((input) => network.axis(input.name));
const stepper = new Stepper(find("steps"), (label) => wires.point(/^(L\d+\.n\d+)/.exec(label)?.[1]));
let neuron = query().neuron ?? null, surface = null;

function controls() {
  const given = query();
  show("inputs", ...shape.inputs.map((input) => {
    const name = `input-${input.name}`;
    if (input.name in given) row[input.name] = read(input, given[input.name]);
    const label = make("label", { for: name }, input.name), shown = make("output", { for: name }, text(row[input.name]));
    const control = control_of(input, name);
    control.addEventListener("input", () => {
      row[input.name] = input.type === "boolean" ? control.checked : read(input, control.value);
      shown.textContent = text(row[input.name]);
      surface = input === network.numbers[0] || input === network.numbers[1] ? surface : null;
      update();
    });
    return make("div", { class: "control" }, label, control, shown);
  }));
}

function control_of(input, id) {
  if (input.type === "boolean") return make("input", { id, type: "checkbox", checked: Boolean(row[input.name]) });
  if (input.type === "category") {
    return make("select", { id }, input.categories.map((c) => make("option", { value: c, selected: c === row[input.name] }, c)));
  }
  const { low, high } = network.axis(input.name);
  return make("input", { id, type: "range", min: low, max: high, step: (high - low) / 400, value: row[input.name] });
}

const read = (input, value) => (input.type === "number" ? Number(value) : input.type === "boolean" ? value === "true" : value);
const text = (value) => (typeof value === "number" ? number(value) : String(value));

const update = coalesced(async () => {
  keep({ ...row, neuron });
  picture();
  const [prediction, gradient, graph] = await Promise.all([
    ask(`${path}/predictions`, { body: { instances: [row] } }),
    ask(`${path}/gradients`, { body: { instances: [row] } }),
    ask(`${path}/graph`, { body: { instance: row } }).catch(() => null),
  ]);
  answer(prediction.predictions[0], gradient);
  if (graph) wires.fill(graph.nodes);
  if (neuron) await unfold();
  stepper.stale();
  commands();
});

function answer(found, gradient) {
  const words = "value" in found ? number(found.value, 6) : String(found.label);
  const more = found.probabilities ? Object.entries(found.probabilities).map(([name, p]) => `${name}: ${(100 * p).toFixed(1)} %`) : (found.scores ?? []).map((s) => `score ${number(s)}`);
  show("prediction", make("strong", {}, words), ` ${more.join(", ")}`);
  const subject = "value" in found ? shape.target.name : `score ${gradient.outputs[0]}`;
  const flat = Object.entries(gradient.gradients[0]).flatMap(([name, slope]) => (slope !== null && typeof slope === "object" ? Object.entries(slope).map(([c, s]) => [`${name}=${c}`, s]) : [[name, slope]]));
  const most = flat.reduce((m, [, slope]) => Math.max(m, Math.abs(slope ?? 0)), 1e-12);
  show("slopes", ...flat.map(([name, slope]) => {
    const meter = make("svg:svg", { viewBox: "-50 0 100 10", class: "bar", "aria-hidden": "true" });
    const width = (48 * Math.abs(slope ?? 0)) / most;
    meter.append(make("svg:rect", { x: slope < 0 ? -width : 0, y: 1, width, height: 8, class: slope < 0 ? "negative" : "positive" }), make("svg:line", { x1: 0, x2: 0, y1: 0, y2: 10 }));
    return make("tr", {}, make("th", { scope: "row" }, `∂ ${subject} / ∂ ${name}`), make("td", { class: "figure" }, `${slope >= 0 ? "+" : "−"}${number(Math.abs(slope ?? NaN), 6)}`), make("td", {}, meter));
  }));
}

function picture() {
  if (!x || !y) {
    find("surface-box").hidden = true;
    return;
  }
  surface ??= network.surface(weights, x, y, COUNT, row);
  const mark = { x: row[x.name], y: row[y.name] };
  drawSurface(find("surface"), network, surface, COUNT, x, y, [], mark);
  find("surface").setAttribute("aria-label", `What the model answers over ${x.name} and ${y.name}; the cross marks ${x.name} ${number(mark.x)}, ${y.name} ${number(mark.y)}`);
}

function choose(name) {
  neuron = name;
  wires.point(name);
  update();
}

// The neuron's own scalar operations, as the server draws them.
async function unfold() {
  const svg = await ask(`${path}/graph`, { body: { instance: row, level: "scalar", neuron, format: "svg" }, as: "text" });
  place("scalar", svg, `Every operation of neuron ${neuron}`);
  find("fold").hidden = false;
  show("chosen", neuron);
}

function place(id, svg, label) {
  const picture = document.importNode(new DOMParser().parseFromString(svg, "image/svg+xml").documentElement, true);
  picture.setAttribute("role", "img");
  picture.setAttribute("aria-label", label);
  show(id, picture);
}

function commands() {
  const body = JSON.stringify({ instances: [row] });
  const curl = (door) => `curl -s ${location.origin}${API}${path}/${door} -H 'Content-Type: application/json' -d '${body.replaceAll("'", "'\\''")}'`;
  show("curl", `${curl("predictions")}\n${curl("gradients")}`);
}

find("fold").addEventListener("click", () => {
  neuron = null;
  wires.point(null);
  keep(row);
  find("fold").hidden = true;
  show("chosen", "none yet");
  show("scalar");
});
find("trace").addEventListener("click", coalesced(async () => stepper.load(await ask(`${path}/trace`, { body: { instance: row } }))));
onThemeChange(picture);
addEventListener("resize", () => requestAnimationFrame(picture));
show("name", `${model.name ?? model.id}, version ${model.version}`);
find("job").href = `/jobs/${model.job_id}`;
controls();
wires.weigh(weights);
wires.point(neuron);
await update();
performance.mark("drawn");
