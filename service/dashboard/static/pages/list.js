// All jobs or all models, newest first, a page at a time; jobs are looked at again while one of them runs.

import { ask, complain, find, keep, make, number, query, show, showRows } from "../parts/page.js";
import { jobCells, modelCells, moment } from "../parts/rows.js";

const LIMIT = 50;
const PAUSE_MILLISECONDS = 3_000;
const kind = find("list").dataset.kind;
const given = query();
const status = find("status");
const cells = {
  jobs: (job) => [
    ...jobCells(job),
    make("td", {}, moment(job.created_at)),
    make("td", {}, job.model_id ? make("a", { href: `/models/${job.model_id}` }, "explain") : ""),
  ],
  models: (model) => [
    ...modelCells(model),
    make("td", { class: "figure" }, number(model.parameter_count, 9)),
    make("td", {}, moment(model.created_at)),
    make("td", {}, model.job_id ? make("a", { href: `/jobs/${model.job_id}` }, "watch") : ""),
  ],
}[kind];
let seen = 0;

// Says whether what was seen may still change.
async function look() {
  const words = new URLSearchParams({
    limit: LIMIT,
    ...(given.after && { after: given.after }),
    ...(status?.value && { status: status.value }),
  });
  const page = await ask(`/${kind}?${words}`);
  seen = performance.now();
  showRows("rows", page.data, (row) => row.id, cells);
  find("empty").hidden = page.data.length > 0;
  find("newest").hidden = !given.after;
  find("newest").href = `?${new URLSearchParams(status?.value ? { status: status.value } : {})}`;
  find("older").hidden = !page.has_more;
  if (page.has_more)
    find("older").href =
      `?${new URLSearchParams({ ...(status?.value && { status: status.value }), after: page.next })}`;
  return page.data.some((row) => row.done === false);
}

async function follow() {
  let pause = PAUSE_MILLISECONDS;
  for (;;) {
    try {
      const live = document.hidden || (await look());
      show("trouble", "");
      pause = live ? PAUSE_MILLISECONDS : 2 * PAUSE_MILLISECONDS;
    } catch (error) {
      complain(error);
      pause = Math.min(2 * pause, 30_000);
    }
    performance.mark("drawn");
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

if (status) {
  status.value = given.status ?? "";
  status.addEventListener("change", () => {
    delete given.after; // another list begins at its beginning
    keep({ status: status.value });
    look().catch(complain);
  });
}
setInterval(
  () => seen && show("age", `updated ${((performance.now() - seen) / 1000).toFixed(1)} s ago`),
  100,
);
await follow();
