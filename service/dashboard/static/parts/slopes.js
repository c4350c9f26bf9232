// What a model answers for a row, and how the answer moves with each input: numbers and bars.

import { make, number, plain, show } from "./page.js";

export function showAnswer({ target }, found) {
  const words = "value" in found ? `${plain(target.name)} = ${number(found.value, 6)}` : String(found.label);
  const more = found.probabilities
    ? Object.entries(found.probabilities).map(([name, p]) => [name, `${(100 * p).toFixed(1)} %`])
    : (found.scores ?? []).map((score) => ["score", number(score, 6)]);
  const items = more.map(([name, value]) => make("li", {}, `${plain(name)}: ${value}`));
  const list = make("ul", { class: "legend figure" }, items);
  show("prediction", make("p", {}, make("strong", {}, words)), list);
}

export function showSlopes(network, { gradients, outputs, scores }) {
  const { classes } = network;
  const slopes = Object.entries(gradients[0]).flatMap(([name, slope]) => perCategory(name, slope));
  const most = slopes.reduce((m, [, slope]) => Math.max(m, Math.abs(slope ?? 0)), 1e-12);
  const rows = slopes.map(([name, slope]) => {
    const title = make("th", { scope: "row" }, `∂ ${plain(subjectOf(network, outputs))} / ∂ ${plain(name)}`);
    const cells = [make("td", { class: "figure" }, signed(slope)), make("td", {}, meter(slope ?? 0, most))];
    return make("tr", {}, title, ...cells);
  });
  show("slopes", ...rows);
  const what = `The ${classes ? "score" : "value"} is ${number(scores[0], 6)}.`;
  const sense = classes?.length === 2 ? ` A positive score means ${plain(classes[1])}.` : "";
  show("slopes-note", `Exact, by one unit of the raw input, here and now. ${what}${sense}`);
}

// What is derived: the target, the score of two classes, or that of one of many.
function subjectOf({ classes, target }, outputs) {
  if (classes === null) return target.name;
  return classes.length === 2 ? "score" : `score of ${classes[outputs[0]]}`;
}

// A category has a derivative for each of its values.
function perCategory(name, slope) {
  if (slope === null || typeof slope !== "object") return [[name, slope]];
  return Object.entries(slope).map(([category, each]) => [`${name}=${category}`, each]);
}

function signed(slope) {
  return slope === null ? "not a number" : `${slope >= 0 ? "+" : "−"}${number(Math.abs(slope), 6)}`;
}

// A bar to the right for a positive slope, to the left for a negative one.
function meter(slope, most) {
  const width = (48 * Math.abs(slope)) / most;
  const side = slope < 0 ? { x: -width, class: "negative" } : { x: 0, class: "positive" };
  const bar = make("svg:rect", { ...side, y: 1, width, height: 8 });
  const zero = make("svg:line", { x1: 0, x2: 0, y1: 0, y2: 10 });
  return make("svg:svg", { viewBox: "-50 0 100 10", class: "bar", "aria-hidden": "true" }, bar, zero);
}
