// Explain a model: inputs as sliders, the answer and its exact derivatives, and the expression behind it:
// the network, one neuron as boxes, every operation of it, and the steps through them.

import { ask, coalesced, find, keep, make, markNode, number, onThemeChange, plain, query, show, showDrawing } from "../parts/page.js";
import { showCommands } from "../parts/commands.js";
import { drawSurface, paint } from "../parts/draw.js";
import { makeInputs } from "../parts/inputs.js";
import { showLegend } from "../parts/legend.js";
import { Network, flatten } from "../parts/network.js";
import { Stepper } from "../parts/stepper.js";
import { Wires } from "../parts/wires.js";

const COUNT = 60, WORDS = ["neuron", "level", "label", "trace"]; // of the page's own in the address
const path = `/models/${encodeURIComponent(find("explain").dataset.model)}`;
const [shape, parameters, model] = await Promise.all([ask(`${path}/network`), ask(`${path}/parameters`), ask(path)]);
const network = new Network(shape), weights = flatten(parameters.layers), given = query();
const inAddress = (name) => (WORDS.includes(name) ? `input.${name}` : name);
const state = { neuron: given.neuron ?? null, level: given.level ?? "neuron", label: given.label ?? null, trace: given.trace ?? null };
const row = network.usualRow(), wires = new Wires(find("network"), network, choose);
const [x, y] = network.numbers.map((input) => network.axis(input.name));
const stepper = new Stepper(find("steps"), look);
let surface = null;

function inputs() {
  makeInputs(find("inputs"), network, row, (name) => given[inAddress(name)], (input) => {
    if (!network.numbers.slice(0, 2).includes(input)) surface = null; // the plane lies elsewhere now
    update();
  });
}

const update = coalesced(async () => {
  keep({ ...Object.fromEntries(Object.entries(row).map(([name, value]) => [inAddress(name), value === false ? "false" : value])), ...state });
  picture();
  const label = state.label === null ? {} : { label: network.classes.find((each) => String(each) === state.label) };
  const one = { instance: row, ...label }, many = { instances: [row], ...label };
  const [prediction, gradient, graph] = await Promise.all([
    ask(`${path}/predictions`, { body: { instances: [row] } }),
    ask(`${path}/gradients`, { body: many }),
    ask(`${path}/graph`, { body: one }).catch(() => null), // too large a network is shown without its values
  ]);
  answer(prediction.predictions[0]);
  slopes(gradient);
  if (graph) wires.fill(graph.nodes);
  await unfold(one);
  showCommands("commands", [{ path: `${path}/predictions`, body: { instances: [row] } }, { path: `${path}/gradients`, body: many },
    { path: `${path}/graph`, body: { ...one, ...(state.neuron && { neuron: state.neuron, level: state.level }) } }]);
});

function answer(found) {
  const words = "value" in found ? `${plain(shape.target.name)} = ${number(found.value, 6)}` : String(found.label);
  const more = found.probabilities ? Object.entries(found.probabilities).map(([name, p]) => [name, `${(100 * p).toFixed(1)} %`]) : (found.scores ?? []).map((score) => ["score", number(score, 6)]);
  show("prediction", make("p", {}, make("strong", {}, words)), make("ul", { class: "legend figure" }, more.map(([name, value]) => make("li", {}, `${plain(name)}: ${value}`))));
}

function slopes(gradient) {
  const { classes, target } = network;
  const subject = classes === null ? target.name : classes.length === 2 ? "score" : `score of ${classes[gradient.outputs[0]]}`;
  const flat = Object.entries(gradient.gradients[0]).flatMap(([name, slope]) => (slope !== null && typeof slope === "object" ? Object.entries(slope).map(([c, s]) => [`${name}=${c}`, s]) : [[name, slope]]));
  const most = flat.reduce((m, [, slope]) => Math.max(m, Math.abs(slope ?? 0)), 1e-12);
  show("slopes", ...flat.map(([name, slope]) => make("tr", {}, make("th", { scope: "row" }, `∂ ${plain(subject)} / ∂ ${plain(name)}`), make("td", { class: "figure" }, signed(slope)), make("td", {}, meter(slope ?? 0, most)))));
  const sense = classes?.length === 2 ? ` A positive score means ${plain(classes[1])}.` : "";
  show("slopes-note", `Exact, by one unit of the raw input, here and now. The score is ${number(gradient.scores[0], 6)}.`.replace("The score", classes ? "The score" : "The value") + sense);
}

const signed = (slope) => (slope === null ? "not a number" : `${slope >= 0 ? "+" : "−"}${number(Math.abs(slope), 6)}`);

function meter(slope, most) {
  const width = (48 * Math.abs(slope)) / most, bar = make("svg:rect", { x: slope < 0 ? -width : 0, y: 1, width, height: 8, class: slope < 0 ? "negative" : "positive" });
  return make("svg:svg", { viewBox: "-50 0 100 10", class: "bar", "aria-hidden": "true" }, bar, make("svg:line", { x1: 0, x2: 0, y1: 0, y2: 10 }));
}

function picture() {
  find("surface-box").hidden = !x || !y;
  if (!x || !y) return;
  surface ??= paint(network, network.surface(weights, x, y, COUNT, row), COUNT);
  const mark = { x: row[x.name], y: row[y.name] };
  drawSurface(find("surface"), surface, x, y, [], mark);
  showLegend("legend", network, surface.range);
  find("surface").setAttribute("aria-label", plain(`What the model answers over ${x.name} and ${y.name}; the cross marks ${x.name} ${number(mark.x)}, ${y.name} ${number(mark.y)}`));
}

function choose(name) {
  state.neuron = name || null;
  wires.point(state.neuron);
  update();
}

// The chosen neuron as the service draws it, and the steps through it, or through the whole network.
async function unfold(one) {
  const { neuron, level } = state, part = neuron ? { neuron } : {};
  [find("neuron").value, find("fold").hidden, find("deeper").disabled] = [neuron ?? "", !neuron, !neuron];
  find("deeper").setAttribute("aria-pressed", String(Boolean(neuron) && level === "scalar"));
  find("drawing").classList.toggle("whole", level === "neuron"); // few boxes fit the window
  find("trace").setAttribute("aria-pressed", String(Boolean(state.trace)));
  if (neuron) showDrawing("drawing", await ask(`${path}/graph`, { body: { ...one, ...part, level, format: "svg" }, as: "text" }), level === "scalar" ? `Every operation of neuron ${neuron}` : `Neuron ${neuron} and what goes into it`);
  else show("drawing");
  if (state.trace) stepper.load(await ask(`${path}/trace`, { body: { ...one, ...part } }));
  else stepper.clear();
}

// Where a step is: its neuron in the network, its box in the drawing.
function look(node) {
  const neuron = /^(L\d+\.n\d+)/.exec(node?.label ?? "")?.[1];
  wires.point(neuron ?? state.neuron);
  if (state.neuron && state.level === "scalar") markNode("drawing", node?.id ?? null);
}

function choices() {
  const neurons = network.layers.flatMap((layer, l) => Array.from({ length: layer.units }, (_, k) => `L${l + 1}.n${k + 1}`));
  show("neuron", make("option", { value: "" }, "none: the whole network"), ...neurons.map((name) => make("option", { value: name }, name)));
  find("label-box").hidden = (network.classes?.length ?? 0) < 3;
  show("label", make("option", { value: "" }, "the predicted class"), ...(network.classes ?? []).map((each) => make("option", { value: each, selected: String(each) === state.label }, String(each))));
}

find("neuron").addEventListener("change", (event) => choose(event.target.value));
find("fold").addEventListener("click", () => choose(null));
find("deeper").addEventListener("click", () => {
  state.level = state.level === "scalar" ? "neuron" : "scalar";
  update();
});
find("trace").addEventListener("click", () => {
  [state.trace, state.level] = state.trace ? [null, state.level] : ["on", state.neuron ? "scalar" : state.level];
  update();
});
find("label").addEventListener("change", (event) => {
  state.label = event.target.value || null;
  update();
});
const redraw = () => requestAnimationFrame(() => {
  wires.weigh(weights);
  picture();
});
onThemeChange(redraw);
addEventListener("resize", redraw);
show("name", `${model.name ?? model.id}, version ${model.version}`);
document.title = `${plain(model.name ?? model.id)} · Explain · gradhouse`;
const measured = Object.entries(model.metrics?.validation ?? model.metrics?.train ?? {}).map(([name, value]) => `${name} ${number(value)}`);
show("quality", measured.length ? `${model.metrics.validation ? "Validation" : "Training"}: ${measured.join(", ")}` : "");
find("job").href = `/jobs/${model.job_id}`;
find("job").hidden = !model.job_id;
inputs();
choices();
wires.weigh(weights);
wires.point(state.neuron);
await update();
performance.mark("drawn");
