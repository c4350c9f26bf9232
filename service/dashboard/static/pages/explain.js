// Explain a model: inputs as sliders, the answer and its exact derivatives, and the expression behind it:
// the network, one neuron as boxes, every operation of it, and the steps through them.

import {
  ask,
  coalesced,
  find,
  keep,
  make,
  markNode,
  number,
  onThemeChange,
  plain,
  query,
  show,
  showDrawing,
} from "../parts/page.js";
import { showCommands } from "../parts/commands.js";
import { Answers, readData } from "../parts/answers.js";
import { Wires } from "../parts/drawing/wires.js";
import { makeInputs } from "../parts/inputs.js";
import { Network, flatten } from "../parts/network.js";
import { showAnswer, showSlopes } from "../parts/slopes.js";
import { Stepper } from "../parts/stepper.js";

const WORDS = ["neuron", "level", "label", "trace"]; // of the page's own in the address
const path = `/models/${encodeURIComponent(find("explain").dataset.model)}`;
const [shape, parameters, model] = await Promise.all([
  ask(`${path}/network`),
  ask(`${path}/parameters`),
  ask(path),
]);
const network = new Network(shape);
const weights = flatten(parameters.layers);
const given = query();
const inAddress = (name) => (WORDS.includes(name) ? `input.${name}` : name);
const state = {
  neuron: given.neuron ?? null,
  level: given.level ?? "neuron",
  label: given.label ?? null,
  trace: given.trace ?? null,
};
const row = network.usualRow();
const wires = new Wires(find("network"), network, choose);
const axes = network.plane;
const answers = axes.length ? new Answers(network, null) : null;
const stepper = new Stepper(find("steps"), look);
let painted = null; // over the first inputs, as long as the others stay

function inputs() {
  makeInputs(
    find("inputs"),
    network,
    row,
    (name) => given[inAddress(name)],
    (input) => {
      if (!axes.includes(input)) painted = null;
      update();
    },
  );
}

const update = coalesced(async () => {
  keep({
    ...Object.fromEntries(
      Object.entries(row).map(([name, value]) => [inAddress(name), value === false ? "false" : value]),
    ),
    ...state,
  });
  picture();
  const label =
    state.label === null ? {} : { label: network.classes.find((each) => String(each) === state.label) };
  const one = { instance: row, ...label };
  const many = { instances: [row], ...label };
  const [prediction, gradient, graph] = await Promise.all([
    ask(`${path}/predictions`, { body: { instances: [row] } }),
    ask(`${path}/gradients`, { body: many }),
    ask(`${path}/graph`, { body: one }).catch(() => null), // too large a network is shown without its values
  ]);
  showAnswer(network, prediction.predictions[0]);
  showSlopes(network, gradient);
  if (graph) wires.fill(graph.nodes);
  await unfold(one);
  showCommands("commands", [
    { path: `${path}/predictions`, body: { instances: [row] } },
    { path: `${path}/gradients`, body: many },
    {
      path: `${path}/graph`,
      body: { ...one, ...(state.neuron && { neuron: state.neuron, level: state.level }) },
    },
  ]);
});

function picture() {
  if (!answers) return;
  painted ??= answers.paint(weights, row);
  const place = answers.axes.map(({ name }) => `${name} ${number(row[name])}`).join(", ");
  answers.draw(painted, row, `; the cross marks ${place}`);
}

// The data behind the model, as far as it is still there.
async function showData() {
  const data = model.dataset_id && (await readData(model.dataset_id).catch(() => null));
  if (!data || !answers) return;
  answers.show(data);
  picture();
}

function choose(name) {
  state.neuron = name || null;
  wires.point(state.neuron);
  update();
}

// The chosen neuron as the service draws it, and the steps through it, or through the whole network.
async function unfold(one) {
  const { neuron, level } = state;
  const part = neuron ? { neuron } : {};
  [find("neuron").value, find("fold").hidden, find("deeper").disabled] = [neuron ?? "", !neuron, !neuron];
  find("deeper").setAttribute("aria-pressed", String(Boolean(neuron) && level === "scalar"));
  find("drawing").classList.toggle("whole", level === "neuron"); // few boxes fit the window
  find("trace").setAttribute("aria-pressed", String(Boolean(state.trace)));
  if (neuron)
    showDrawing(
      "drawing",
      await ask(`${path}/graph`, { body: { ...one, ...part, level, format: "svg" }, as: "text" }),
      level === "scalar" ? `Every operation of neuron ${neuron}` : `Neuron ${neuron} and what goes into it`,
    );
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
  const neurons = network.layers.flatMap((layer, l) =>
    Array.from({ length: layer.units }, (_, k) => `L${l + 1}.n${k + 1}`),
  );
  show(
    "neuron",
    make("option", { value: "" }, "none: the whole network"),
    ...neurons.map((name) => make("option", { value: name }, name)),
  );
  find("label-box").hidden = (network.classes?.length ?? 0) < 3;
  show(
    "label",
    make("option", { value: "" }, "the predicted class"),
    ...(network.classes ?? []).map((each) =>
      make("option", { value: each, selected: String(each) === state.label }, String(each)),
    ),
  );
}

find("neuron").addEventListener("change", (event) => choose(event.target.value));
find("fold").addEventListener("click", () => choose(null));
find("deeper").addEventListener("click", () => {
  state.level = state.level === "scalar" ? "neuron" : "scalar";
  update();
});
find("trace").addEventListener("click", () => {
  [state.trace, state.level] = state.trace
    ? [null, state.level]
    : ["on", state.neuron ? "scalar" : state.level];
  update();
});
find("label").addEventListener("change", (event) => {
  state.label = event.target.value || null;
  update();
});
const redraw = () =>
  requestAnimationFrame(() => {
    wires.weigh(weights);
    picture();
  });
onThemeChange(redraw);
addEventListener("resize", redraw);
show("name", `${model.name ?? model.id}, version ${model.version}`);
document.title = `${plain(model.name ?? model.id)} · Explain · gradhouse`;
const measured = Object.entries(model.metrics?.validation ?? model.metrics?.train ?? {}).map(
  ([name, value]) => `${name} ${number(value)}`,
);
show(
  "quality",
  measured.length ? `${model.metrics.validation ? "Validation" : "Training"}: ${measured.join(", ")}` : "",
);
find("job").href = `/jobs/${model.job_id}`;
find("job").hidden = !model.job_id;
find("surface-box").hidden = !answers;
answers?.over(axes.map((input) => input.name));
inputs();
choices();
wires.weigh(weights);
wires.point(state.neuron);
await update();
performance.mark("drawn");
await showData();
