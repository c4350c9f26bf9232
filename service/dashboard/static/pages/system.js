// What runs: parts, workers, queue, jobs and limits, as /status tells it.

import { ask, complain, find, make, number, show, showRows } from "../parts/page.js";
import { hasKey, forgetKey } from "../parts/key.js";

const PAUSE_MILLISECONDS = 3_000;
const MOST_MILLISECONDS = 30_000;
const words = (name) => name.replaceAll("_", " ");
let seen = 0;

function shown(fact) {
  if (fact === null) return "unknown";
  return typeof fact === "number"
    ? Number.isInteger(fact)
      ? fact.toLocaleString("en")
      : number(fact)
    : String(fact);
}

const facts = (id, document) =>
  showRows(
    id,
    Object.entries(document ?? {}),
    ([name]) => name,
    ([name, fact]) => [
      make("th", { scope: "row" }, words(name)),
      make("td", { class: "figure" }, shown(fact)),
    ],
  );

const worker = ({ name, version, processes, age_seconds: age }) => [
  make("th", { scope: "row" }, name),
  make("td", {}, version ?? "unknown"),
  make(
    "td",
    { class: "figure" },
    `${processes.filter((each) => each.busy).length} of ${processes.length} busy`,
  ),
  make("td", { class: "figure" }, `${Math.round(age)} s ago`),
];

// What keeps the service from training, and the command that mends it; nothing while all is well.
function trouble({ database, broker, workers }) {
  if (database === "away") return ["the database is away", "Nothing is lost: start it, and all goes on."];
  if (broker === "away") return ["the broker is away", "Jobs wait until it is there again."];
  return workers.length ? null : ["no worker is there", "Jobs wait. Start a worker: gradhouse worker"];
}

async function look() {
  const status = await ask("/status");
  const wrong = trouble(status);
  seen = performance.now();
  show("ready", wrong?.[0] ?? "ready");
  show("advice", wrong?.[1] ?? "");
  const { version, database, broker, uptime_seconds: uptime } = status;
  facts("parts", {
    version,
    ...status.versions,
    database_server: database,
    broker,
    up_for: `${Math.round(uptime / 60)} minutes`,
  });
  showRows("workers", status.workers, (each) => each.name, worker);
  find("workers-empty").hidden = status.workers.length > 0;
  facts("queue", status.queue);
  facts("jobs", status.jobs);
  facts("limits", status.limits);
}

async function follow() {
  for (let pause = PAUSE_MILLISECONDS; ; await new Promise((resolve) => setTimeout(resolve, pause))) {
    try {
      if (!document.hidden) await look();
      show("trouble", "");
      pause = PAUSE_MILLISECONDS;
    } catch (error) {
      complain(error);
      pause = Math.min(2 * pause, MOST_MILLISECONDS);
    }
    find("forget").hidden = !hasKey();
    performance.mark("drawn");
  }
}

find("forget").addEventListener("click", () => {
  forgetKey();
  location.reload();
});
setInterval(
  () => seen && show("age", `updated ${((performance.now() - seen) / 1000).toFixed(1)} s ago`),
  100,
);
await follow();
