// Home: one click from nothing to a training to watch, and what there is already.

import { ask, complain, find, make, number, show } from "./page.js";

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

function job_row(job) {
  const state = job.status === "running" ? `running, epoch ${job.progress.epoch} of ${job.progress.epochs}` : job.status;
  const loss = job.latest ? number(job.latest.train_loss) : "";
  return make("tr", {}, make("th", { scope: "row" }, make("a", { href: `/jobs/${job.id}` }, job.name ?? job.id)), make("td", {}, state), make("td", { class: "figure" }, loss));
}

function model_row(model) {
  const good = model.metrics?.validation ?? model.metrics?.train ?? {};
  const [name, value] = Object.entries(good).find(([key]) => key === "accuracy" || key === "r2") ?? ["", null];
  return make("tr", {}, make("th", { scope: "row" }, make("a", { href: `/models/${model.id}` }, `${model.name ?? model.id}, version ${model.version}`)), make("td", {}, name ? `${name} ${number(value)}` : ""));
}

for (const button of document.querySelectorAll("button[data-sample]")) button.addEventListener("click", () => train(button));
try {
  const [jobs, models] = await Promise.all([ask("/jobs?limit=8"), ask("/models?limit=8")]);
  if (jobs.data.length) {
    show("jobs", ...jobs.data.map(job_row));
    find("jobs-box").hidden = false;
  }
  if (models.data.length) {
    show("models", ...models.data.map(model_row));
    find("models-box").hidden = false;
  }
} catch (error) {
  complain(error);
}
performance.mark("drawn");
