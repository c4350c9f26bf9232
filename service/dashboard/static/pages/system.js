// What runs: workers, queue, limits, as /status tells it, whatever it comes to tell.

import { ask, complain, find, make, number, show } from "../parts/page.js";

const PAUSE_MILLISECONDS = 3_000;
const words = (name) => name.replaceAll("_", " ");
let seen = 0;

function value(each) {
  if (each === null) return "unknown";
  if (Array.isArray(each)) return each.length ? make("ul", {}, each.map((one) => make("li", {}, value(one)))) : "none";
  if (typeof each === "object") return Object.entries(each).map(([name, one]) => `${words(name)} ${value(one)}`).join(", ");
  return typeof each === "number" ? (Number.isInteger(each) ? each.toLocaleString("en") : number(each)) : String(each);
}

function section(title, facts) {
  const rows = Object.entries(facts).map(([name, each]) => make("tr", {}, make("th", { scope: "row" }, words(name)), make("td", { class: "figure" }, value(each))));
  return make("section", { "aria-label": title }, make("h2", {}, title), make("table", {}, make("tbody", {}, rows)));
}

async function look() {
  const status = await ask("/status");
  seen = performance.now();
  const plainFacts = Object.fromEntries(Object.entries(status).filter(([, each]) => each === null || typeof each !== "object" || Array.isArray(each)));
  const parts = Object.entries(status).filter(([name]) => !(name in plainFacts));
  const made = [section("What runs", plainFacts), ...parts.map(([name, facts]) => section(words(name), facts))];
  if (find("sections").innerHTML !== made.map((each) => each.outerHTML).join("")) show("sections", ...made);
  const none = status.workers === 0 || (Array.isArray(status.workers) && !status.workers.length);
  show("ready", none ? "no worker is there" : status.broker === "away" ? "the broker is away" : "ready");
  show("advice", none ? "Jobs wait. Start a worker: gradhouse worker" : "");
}

async function follow() {
  for (let pause = PAUSE_MILLISECONDS; ; await new Promise((resolve) => setTimeout(resolve, pause))) {
    try {
      if (!document.hidden) await look();
      show("trouble", "");
      pause = PAUSE_MILLISECONDS;
    } catch (error) {
      complain(error);
      pause = Math.min(2 * pause, 30_000);
    }
    performance.mark("drawn");
  }
}

setInterval(() => seen && show("age", `updated ${((performance.now() - seen) / 1000).toFixed(1)} s ago`), 100);
await follow();
