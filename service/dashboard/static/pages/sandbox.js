// The sandbox: an expression, its variables as numbers, every node with data and grad.

import {
  ask,
  coalesced,
  find,
  keep,
  make,
  markNode,
  number,
  query,
  show,
  showDrawing,
} from "../parts/page.js";
import { showCommands } from "../parts/commands.js";
import { Stepper } from "../parts/stepper.js";

const LESSON = { expression: "(a*b + c).tanh()", a: "2", b: "-3", c: "10" };
const FEW_NODES = 10; // are drawn to fit into the window
const WORDS = /[A-Za-z_][A-Za-z0-9_]*/g;
const expression = find("expression");
const values = {};
const stepper = new Stepper(find("steps"), (node) => markNode("graph", node?.id ?? null));

// The variables are the names that are not called as functions or methods.
function variables() {
  const text = expression.value;
  const found = [];
  for (const match of text.matchAll(WORDS)) {
    const called = /^\s*\(/.test(text.slice(match.index + match[0].length));
    const method = text[match.index - 1] === ".";
    if (!called && !method && !/[0-9.]/.test(text[match.index - 1] ?? "") && !found.includes(match[0]))
      found.push(match[0]);
  }
  return found;
}

function fields() {
  const names = variables();
  if (names.join() === [...find("values").querySelectorAll("input")].map((input) => input.name).join())
    return;
  show(
    "values",
    ...names.map((name) => {
      values[name] ??= 1;
      const input = make("input", {
        id: `value-${name}`,
        name,
        type: "number",
        step: "any",
        value: values[name],
        required: true,
      });
      input.addEventListener("input", () => {
        values[name] = input.valueAsNumber;
        update();
      });
      return make("div", { class: "control" }, make("label", { for: input.id }, name), input);
    }),
  );
}

const update = coalesced(async () => {
  const used = Object.fromEntries(variables().map((name) => [name, values[name]]));
  keep({ expression: expression.value, ...used });
  const body = { expression: expression.value, values: used };
  showCommands("commands", [{ path: "/expressions", body }]);
  show("result", "");
  const [found, svg] = await Promise.all([
    ask("/expressions", { body }),
    ask("/expressions", { body: { ...body, format: "svg" }, as: "text" }),
  ]);
  show("result", number(found.value, 8));
  find("graph").classList.toggle("whole", found.nodes.length <= FEW_NODES);
  showDrawing("graph", svg, `The graph of ${expression.value}`);
  show(
    "nodes",
    ...found.nodes.map((node) =>
      make(
        "tr",
        {},
        make("th", { scope: "row" }, node.label || `v${node.id}`),
        make("td", {}, node.op),
        make("td", { class: "figure" }, number(node.data, 8)),
        make("td", { class: "figure" }, number(node.grad, 8)),
      ),
    ),
  );
  stepper.load(found);
});

const given = { ...LESSON, ...query() };
if (query().expression) for (const name of ["a", "b", "c"]) if (!(name in query())) delete given[name];
expression.value = given.expression;
for (const [name, value] of Object.entries(given)) if (name !== "expression") values[name] = Number(value);
expression.addEventListener("input", () => {
  fields();
  update();
});
fields();
await update();
performance.mark("drawn");
