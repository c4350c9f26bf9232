// The inputs of a model as controls: a slider and a field for a number, a list of categories, a box to check.

import { make } from "./page.js";

// Fills `place`, and `row` by what `given` says of each name; `changed` is called with the input that moved.
export function makeInputs(place, network, row, given, changed) {
  place.replaceChildren(
    ...network.inputs.map((input, i) => {
      const text = given(input.name);
      if (text !== undefined) row[input.name] = read(input, text);
      const id = `input-${i}`;
      const [control, ...more] = controls(input, id, network, row);
      for (const each of [control, ...more])
        each.addEventListener("input", () => {
          const value = input.type === "boolean" ? each.checked : read(input, each.value);
          if (input.type === "number" && (each.value === "" || !Number.isFinite(value))) return; // half typed
          row[input.name] = value;
          for (const other of [control, ...more])
            if (other !== each) other.value = input.type === "number" ? rounded(value) : value;
          changed(input);
        });
      return make("div", { class: "control" }, make("label", { for: id }, input.name), control, ...more);
    }),
  );
}

function controls(input, id, network, row) {
  const value = row[input.name];
  if (input.type === "boolean") return [make("input", { id, type: "checkbox", checked: Boolean(value) })];
  if (input.type === "category")
    return [
      make(
        "select",
        { id },
        input.categories.map((each) => make("option", { value: each, selected: each === value }, each)),
      ),
    ];
  const { low, high } = network.axis(input.name);
  const slider = make("input", { id, type: "range", min: low, max: high, step: (high - low) / 400, value });
  return [
    slider,
    make("input", {
      type: "number",
      step: "any",
      value: rounded(value),
      "aria-label": `${input.name}, typed`,
    }),
  ];
}

const rounded = (value) => Number(Number(value).toPrecision(5));
const read = (input, text) =>
  input.type === "number" ? Number(text) : input.type === "boolean" ? text === "true" : text;
