// Home: one click from nothing to a training to watch, and what there is already.

import { ask, complain, find, show, showRows } from "../parts/page.js";
import { jobCells, modelCells } from "../parts/rows.js";

async function train(button) {
  button.disabled = true;
  try {
    const { sample } = button.dataset;
    const dataset = await ask("/datasets", { body: { sample } });
    const target = dataset.columns[dataset.columns.length - 1].name;
    const job = await ask("/jobs", { body: { dataset_id: dataset.id, target, model: { name: sample } } });
    location.href = `/jobs/${job.id}`;
  } catch (error) {
    button.disabled = false;
    complain(error);
  }
}

function list(kind, rows, cells) {
  showRows(kind, rows, (row) => row.id, cells);
  [find(`${kind}-box`).hidden, find(`${kind}-empty`).hidden] = [!rows.length, rows.length > 0];
}

for (const button of document.querySelectorAll("button[data-sample]"))
  button.addEventListener("click", () => train(button));
try {
  const [jobs, models, status] = await Promise.all([
    ask("/jobs?limit=8"),
    ask("/models?limit=8"),
    ask("/status").catch(() => null),
  ]);
  list("jobs", jobs.data, jobCells);
  list("models", models.data, modelCells);
  if (status?.workers.length === 0)
    show("advice", "No worker is there, so trainings would wait. Start one: gradhouse worker");
} catch (error) {
  complain(error);
}
performance.mark("drawn");
