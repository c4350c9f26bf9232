// Watch a job: curves, surface and network, all driven by one time cursor; live while the cursor is at the end.

import { API, ask, coalesced, complain, find, keep, make, number, onThemeChange, query, show } from "./page.js";
import { drawCurves, drawSurface } from "./draw.js";
import { Network, unpackCheckpoints } from "./network.js";
import { Wires } from "./wires.js";

const POLL_MILLISECONDS = 1000, COUNT = 60, MOVING_COUNT = 40, POINTS = 400, MOST_ROWS = 2000;
const id = find("watch").dataset.job;
const state = { job: null, rows: [], snapshots: [], network: null, wires: null, points: [], live: true, seen: 0, playing: 0 };

const cursor = find("cursor"), log = find("log");

async function refresh() {
  state.job = await ask(`/jobs/${id}`);
  const first = !state.prepared;
  if (first) await prepare();
  state.prepared = true;
  if (!state.complete) {
    // What is new is added; now and then all is asked for again, thinned, so that a page never grows without end.
    const known = state.rows.length < MOST_ROWS ? (state.rows.at(-1)?.epoch ?? 0) : 0;
    const [history, buffer] = await Promise.all([
      ask(`/jobs/${id}/history?points=${POINTS}&after=${known}`),
      ask(`/jobs/${id}/checkpoints?format=float64${missing(first)}`, { as: "buffer" }),
    ]);
    state.rows = known ? [...state.rows, ...history.data] : history.data;
    const taken = unpackCheckpoints(buffer);
    state.snapshots = first || !state.whole ? taken : [...state.snapshots, ...taken];
    [state.whole, state.complete] = [!first, !first && state.job.done];
  }
  state.seen = performance.now();
  follow(first);
  tell();
}

// What to ask for: first the newest snapshot, so that there is something to see; then all; then what is new.
function missing(first) {
  if (first) return "&newest=1";
  return state.whole && state.snapshots.length ? `&after=${state.snapshots.at(-1).epoch}` : "";
}

async function prepare() {
  const [shape, dataset] = await Promise.all([ask(`/jobs/${id}/network`).catch(() => null), ask(`/datasets/${state.job.dataset_id}`).catch(() => null)]);
  for (const part of ["surface-box", "network-box", "look-box"]) find(part).hidden = shape === null;
  find("gone").hidden = shape !== null;
  if (shape === null) return; // the dataset was deleted, and with it how inputs are scaled
  state.network = new Network(shape);
  state.wires = new Wires(find("network"), state.network, null);
  const [x, y] = state.network.numbers;
  if (!x || !y) {
    find("surface-box").hidden = true;
    return;
  }
  find("held").hidden = state.network.inputs.length === 2;
  [state.x, state.y] = [state.network.axis(x.name), state.network.axis(y.name)];
  if (dataset) {
    const names = dataset.columns.map((column) => column.name), page = await ask(`/datasets/${dataset.id}/rows?limit=1000`);
    const [atX, atY, atTarget] = [x.name, y.name, state.network.target.name].map((name) => names.indexOf(name));
    state.points = page.data.map((row) => ({ x: row[atX], y: row[atY], class: Math.max(0, state.network.classes?.indexOf(row[atTarget]) ?? 0) }));
    legend();
  }
}

function legend() {
  const shapes = ["●", "■", "▲", "◆"];
  show("legend", ...(state.network.classes ?? []).map((label, i) => make("li", { class: `class-${i % 8}` }, make("span", { class: "mark", "aria-hidden": "true" }, shapes[i % 4]), ` ${label}`)));
}

// Keeps a live cursor at the end, and never moves one that somebody has set.
function follow(first) {
  cursor.max = Math.max(0, state.snapshots.length - 1);
  const wanted = query().epoch;
  if (state.whole && !state.sought && wanted !== undefined) {
    state.sought = true;
    const at = state.snapshots.findIndex((each) => each.epoch >= Number(wanted));
    if (at >= 0) [state.live, cursor.value] = [false, at];
  }
  if (state.live) cursor.value = cursor.max;
  draw();
}

function draw() {
  const at = state.snapshots[Number(cursor.value)], last = state.job.progress.epochs;
  const epoch = at ? at.epoch : null, options = { cursor: epoch, log: log.checked, last: state.job.done ? state.job.progress.epoch : last };
  const curve = (name) => state.rows.map((row) => [row.epoch, row[name]]);
  const known = state.rows.length ? Object.keys(state.rows[0]) : [];
  const lines = (metric) => [`train_${metric}`, `val_${metric}`].filter((name) => known.includes(name)).map((name, i) => ({ values: curve(name), dashed: i > 0 }));
  const quality = known.includes("train_accuracy") ? "accuracy" : "r2";
  drawCurves(find("loss"), lines("loss"), { ...options, unit: "loss" });
  drawCurves(find("quality"), lines(quality), { ...options, log: false, unit: quality });
  if (!at) return;
  state.wires?.weigh(at.parameters);
  if (state.x) {
    const count = state.moving ? MOVING_COUNT : COUNT; // coarser while it moves, so that it moves smoothly
    const scores = state.network.surface(at.parameters, state.x, state.y, count, {});
    drawSurface(find("surface"), state.network, scores, count, state.x, state.y, state.points, null);
  }
  describe(at, quality);
}

function describe(at, quality) {
  const row = state.rows.findLast((each) => each.epoch <= at.epoch);
  const loss = row ? number(row.train_loss) : "not yet known", good = row ? number(row[`train_${quality}`]) : "not yet known";
  cursor.setAttribute("aria-valuetext", `epoch ${at.epoch}`);
  show("now", `epoch ${at.epoch} of ${state.job.progress.epochs}: loss ${loss}, ${quality} ${good}`);
  const words = row && row.val_loss !== undefined ? `; validation loss ${number(row.val_loss)}, ${quality} ${number(row[`val_${quality}`])}` : "";
  find("now").append(words);
  find("loss").setAttribute("aria-label", `Loss over epochs; at epoch ${at.epoch} it is ${loss}`);
  find("quality").setAttribute("aria-label", `${quality} over epochs; at epoch ${at.epoch} it is ${good}`);
}

function tell() {
  const job = state.job, words = { queued: `queued${job.queue_position ? `, number ${job.queue_position} in line` : ""}`, running: "running" }[job.status] ?? job.status;
  show("status", `${words}${job.error ? `: ${job.error.detail} ${job.error.hint ?? ""}` : ""}`);
  find("cancel").hidden = job.done;
  if (job.model_id) {
    const link = find("model");
    link.href = `/models/${job.model_id}`;
    link.hidden = false;
  }
}

function age() {
  const seconds = (performance.now() - state.seen) / 1000;
  show("age", state.complete ? "complete" : `updated ${seconds.toFixed(1)} s ago`);
}

function seek(position, live) {
  state.moving = true;
  clearTimeout(state.rest);
  state.rest = setTimeout(() => {
    state.moving = false;
    draw();
  }, 150);
  state.live = live ?? Number(position) >= Number(cursor.max);
  cursor.value = position;
  cancelAnimationFrame(state.frame);
  state.frame = requestAnimationFrame(draw);
}

function play() {
  cancelAnimationFrame(state.playing);
  const playing = find("play").getAttribute("aria-pressed") === "true";
  find("play").setAttribute("aria-pressed", String(!playing));
  if (playing) return;
  if (Number(cursor.value) >= Number(cursor.max)) seek(0, false);
  let before = performance.now();
  const step = (now) => {
    if (now - before > 40) {
      before = now;
      seek(Number(cursor.value) + 1);
    }
    if (Number(cursor.value) < Number(cursor.max)) state.playing = requestAnimationFrame(step);
    else find("play").setAttribute("aria-pressed", "false");
  };
  state.playing = requestAnimationFrame(step);
}

// The first step after the cursor, or the last one of all: norms, and units that no longer learn.
async function look() {
  const { epoch } = state.snapshots[Number(cursor.value)];
  state.perEpoch ??= (await ask(`/jobs/${id}/steps/1`)).steps_per_epoch;
  const perEpoch = state.perEpoch, step = await ask(`/jobs/${id}/steps/${Math.min(epoch * perEpoch + 1, state.job.progress.epoch * perEpoch)}`);
  const units = (list) => (list.length ? list.join(", ") : "none");
  show("step-title", `Step ${step.step}, epoch ${step.epoch}: loss ${number(step.loss)}, learning rate ${number(step.learning_rate)}`);
  show("step", ...step.layers.map((layer) => make("tr", {}, make("th", { scope: "row" }, `${layer.layer} ${layer.activation}`),
    ...[layer.parameter_norm, layer.gradient_norm, layer.update_norm].map((norm) => make("td", { class: "figure" }, number(norm))),
    make("td", {}, units(layer.dead_units)), make("td", {}, units(layer.saturated_units)))));
  find("step-box").hidden = false;
}

cursor.addEventListener("input", () => seek(cursor.value));
cursor.addEventListener("change", () => keep({ epoch: state.live ? null : state.snapshots[Number(cursor.value)]?.epoch ?? null }));
log.addEventListener("change", draw);
find("play").addEventListener("click", play);
find("look").addEventListener("click", coalesced(look));
find("cancel").addEventListener("click", () => ask(`/jobs/${id}/cancel`, { method: "POST" }).then(poll, complain));
onThemeChange(() => draw());
addEventListener("resize", () => state.job && requestAnimationFrame(draw));

const poll = coalesced(refresh);
show("curl", `curl -s ${location.origin}${API}/jobs/${id}\ncurl -s '${location.origin}${API}/jobs/${id}/history?points=${POINTS}'`);
await poll();
performance.mark("drawn");
requestAnimationFrame(() => poll());
setInterval(age, 100);
setInterval(() => state.complete || document.hidden || poll(), POLL_MILLISECONDS);
