// Walks through a trace: forward and then backward, each step with its numbers.

import { make, number } from "./page.js";

export class Stepper {
  // `place` gets the controls; `look` is called with the node that a step is about, null when there is none.
  constructor(place, look) {
    Object.assign(this, { place, look, steps: [], nodes: [] });
    this.slider = make("input", {
      type: "range",
      min: 0,
      value: 0,
      "aria-label": "Step",
      input: () => this.show(),
    });
    this.words = make("p", { class: "step", role: "status" });
    this.numbers = make("p", { class: "figure" });
    const move = (by, words) => make("button", { type: "button", click: () => this.move(by) }, words);
    this.box = make(
      "div",
      { hidden: true },
      move(-1, "← Back"),
      move(1, "Next →"),
      make("button", { type: "button", click: () => this.turn() }, "Go to backward"),
      this.slider,
      this.words,
      this.numbers,
    );
    place.append(this.box);
  }

  // Begins at the first step backward; new numbers of the same graph leave the place as it is.
  load(trace) {
    const same = trace.steps.length === this.steps.length;
    [this.steps, this.nodes] = [trace.steps, trace.nodes];
    this.slider.max = this.steps.length - 1;
    if (!same)
      this.slider.value = Math.max(
        0,
        this.steps.findIndex((step) => step.phase === "backward"),
      );
    this.box.hidden = false;
    this.show();
  }

  // The numbers shown are of another row now.
  clear() {
    [this.steps, this.nodes, this.box.hidden] = [[], [], true];
    this.look(null);
  }

  move(by) {
    this.slider.value = Number(this.slider.value) + by;
    this.show();
  }

  turn() {
    this.slider.value = this.steps.findIndex((step) => step.phase === "backward");
    this.show();
  }

  name(id) {
    const node = this.nodes[id];
    return node.label || (node.op ? `v${id} (${node.op})` : `the constant ${number(node.data)}`);
  }

  show() {
    const step = this.steps[Number(this.slider.value)];
    if (!step) return;
    const at = `Step ${step.step} of ${this.steps.length}`;
    if (step.phase === "forward") {
      const operands = step.operands.map((id, i) => `${this.name(id)} = ${number(step.values[i])}`);
      this.words.textContent = `${at}, forward: ${this.name(step.node)} = ${step.op} of ${operands.join(" and ")}`;
      this.numbers.textContent = `data ${number(step.data, 8)}`;
    } else {
      const way = `from ${this.name(step.node)} (${step.op}) to ${this.name(step.operand)}`;
      const [slope, local, product, grad] = ["slope", "local", "product", "grad"].map((each) =>
        number(step[each], 6),
      );
      this.words.textContent = `${at}, backward: ${way}`;
      this.numbers.textContent = `slope ${slope} × local derivative ${local} = ${product}; grad so far ${grad}`;
    }
    this.slider.setAttribute("aria-valuetext", this.words.textContent);
    this.look(this.nodes[step.phase === "forward" ? step.node : step.operand]);
  }
}
