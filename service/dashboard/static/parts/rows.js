// Jobs and models as rows of tables.

import { make, number } from "./page.js";

export function jobCells(job) {
  const { epoch, epochs } = job.progress;
  const state = job.status === "running" ? `running, epoch ${epoch} of ${epochs}` : job.status;
  const name = job.name ?? job.id;
  return [
    make(
      "th",
      { scope: "row" },
      job.kind === "train"
        ? make("a", { href: `/jobs/${job.id}` }, name)
        : `${name} (${job.kind.replace("_", " ")})`,
    ),
    make("td", {}, state),
    make(
      "td",
      { class: "figure" },
      job.latest?.train_loss === undefined ? "" : number(job.latest.train_loss),
    ),
  ];
}

export function modelCells(model) {
  const good = model.metrics?.validation ?? model.metrics?.train ?? {};
  const [name, value] = Object.entries(good).find(([key]) => key === "accuracy" || key === "r2") ?? [
    "",
    null,
  ];
  return [
    make(
      "th",
      { scope: "row" },
      make("a", { href: `/models/${model.id}` }, `${model.name ?? model.id}, version ${model.version}`),
    ),
    make("td", { class: "figure" }, name ? `${name} ${number(value)}` : ""),
  ];
}

export const moment = (text) =>
  make("time", { datetime: text, class: "figure" }, text ? new Date(text).toLocaleString() : "");
