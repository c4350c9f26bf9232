// A training looked at closely: one step with its norms, and the rows that the finished model gets most wrong.

import { ask, find, make, number, plain, show } from "./page.js";

const ROWS = 5; // of a step's batch, in words

// The step after `epoch`, or the last one of all.
export async function lookAtStep(job, epoch) {
  const { steps_per_epoch: perEpoch } = await ask(`/jobs/${job.id}/steps/1`);
  const step = await ask(
    `/jobs/${job.id}/steps/${Math.min(epoch * perEpoch + 1, job.progress.epoch * perEpoch)}`,
  );
  const units = (list) => (list.length ? list.join(", ") : "none");
  show(
    "step-title",
    `Step ${step.step}, epoch ${step.epoch}: loss ${number(step.loss)}, learning rate ${number(step.learning_rate)}`,
  );
  show(
    "step",
    ...step.layers.map((layer) =>
      make(
        "tr",
        {},
        make("th", { scope: "row" }, `${layer.layer} ${layer.activation}`),
        ...[layer.parameter_norm, layer.gradient_norm, layer.update_norm].map((norm) =>
          make("td", { class: "figure" }, number(norm)),
        ),
        make("td", {}, units(layer.dead_units)),
        make("td", {}, units(layer.saturated_units)),
      ),
    ),
  );
  const hardest = step.rows
    .filter((row) => row.loss !== null)
    .sort((a, b) => b.loss - a.loss)
    .slice(0, ROWS);
  const named = hardest.map((row) => `${row.row} (loss ${number(row.loss)})`).join(", ");
  show("step-rows", `${step.rows.length} rows in the batch; the hardest training rows: ${named}.`);
  find("step-box").hidden = false;
}

// Each row leads to its explanation.
export async function listWorstRows(job) {
  const found = await ask(`/jobs/${job.id}/rows/worst?k=10`);
  const answer = (prediction) =>
    "value" in prediction ? number(prediction.value) : String(prediction.label);
  show(
    "worst-rows",
    ...found.data.map((row) =>
      make(
        "tr",
        {},
        make(
          "th",
          { scope: "row" },
          make("a", { href: explained(found.model_id, row.instance) }, `row ${row.row}`),
        ),
        make("td", {}, typeof row.target === "number" ? number(row.target) : plain(row.target)),
        make("td", {}, answer(row.prediction)),
        ...[row.loss, row.gradient_norm].map((value) => make("td", { class: "figure" }, number(value))),
      ),
    ),
  );
  find("worst-table").hidden = false;
}

function explained(model, instance) {
  const known = Object.entries(instance).filter(([, value]) => value !== null);
  return `/models/${model}?${new URLSearchParams(known)}`;
}
