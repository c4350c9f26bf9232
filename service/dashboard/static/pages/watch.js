// Watch a job: curves, surface and network, all driven by one time cursor; live while the cursor is at the end.

import { ask, coalesced, complain, find, keep, make, number, onThemeChange, plain, query, show } from "../parts/page.js";
import { listWorstRows, lookAtStep } from "../parts/closely.js";
import { showCommands } from "../parts/commands.js";
import { drawCurves, drawSurface, epochAt, paint } from "../parts/draw.js";
import { showLegend } from "../parts/legend.js";
import { Live } from "../parts/live.js";
import { Network, unpackCheckpoints } from "../parts/network.js";
import { Wires } from "../parts/wires.js";

const COUNT = 60, POINTS = 400, MOST_ROWS = 2000, MOST_POINTS = 1000, SILENCE = 7;
const UNITS = { accuracy: "accuracy, share of rows", r2: "R², share of variance" };
const id = find("watch").dataset.job, cursor = find("cursor"), log = find("log"), given = query();
const state = { job: null, rows: [], snapshots: [], network: null, wires: null, data: null, points: [], live: true, seen: 0, playing: 0, perEpoch: null };
const slowly = matchMedia("(prefers-reduced-motion: reduce)").matches;

// Asks for what is new, never twice at once; says whether all is there.
const refresh = () => (state.asking ??= lookAnew().finally(() => (state.asking = null)));

async function lookAnew() {
  const before = state.job, first = !state.prepared;
  state.job = await ask(`/jobs/${id}`);
  if (first) await prepare();
  if (!state.whole || state.job.done || state.job.progress.epoch !== before.progress.epoch) await fetchEpochs(first);
  state.seen = performance.now();
  state.complete = state.whole && state.job.done;
  state.prepared = true;
  follow();
  await tell();
  return state.complete;
}

// First the newest snapshot, so that there is something to see; then all; then what is new. Rows are added, as many
// as their share of the whole; now and then all are asked for again, so that a page never grows without end.
async function fetchEpochs(first) {
  const known = state.rows.length < MOST_ROWS ? (state.rows.at(-1)?.epoch ?? 0) : 0, now = Math.max(1, state.job.progress.epoch);
  const points = Math.max(2, Math.ceil((POINTS * (now - known)) / now));
  const wanted = first ? "&newest=1" : state.whole && state.snapshots.length ? `&after=${state.snapshots.at(-1).epoch}` : "";
  const [history, buffer] = await Promise.all([
    ask(`/jobs/${id}/history?points=${points}&after=${known}`),
    snapshotIsDue() ? ask(`/jobs/${id}/checkpoints?format=float64${wanted}`, { as: "buffer" }) : null,
  ]);
  state.rows = known ? [...state.rows, ...history.data] : history.data;
  const taken = buffer ? unpackCheckpoints(buffer) : [];
  state.snapshots = first || !state.whole ? taken : [...state.snapshots, ...taken];
  state.whole = !first;
}

// Snapshots come at distances that grow, but for rounding: before the next can be there it is not asked for.
function snapshotIsDue() {
  if (!state.whole || state.job.done || state.snapshots.length < 2) return true;
  const [before, last] = state.snapshots.slice(-2).map((each) => each.epoch);
  return state.job.progress.epoch >= 2 * last - before - 1;
}

async function prepare() {
  const job = state.job;
  show("name", job.name ?? job.id);
  document.title = `${plain(job.name ?? job.id)} · Watch · gradhouse`;
  const [shape, dataset] = await Promise.all([ask(`/jobs/${id}/network`).catch(() => null), ask(`/datasets/${job.dataset_id}`).catch(() => null)]);
  for (const part of ["surface-box", "network-box", "look-box"]) find(part).hidden = shape === null;
  find("gone").hidden = shape !== null;
  if (shape === null) return; // the dataset was deleted, and with it how inputs are scaled
  state.network = new Network(shape);
  state.wires = new Wires(find("network"), state.network, null);
  const sizes = [shape.layers[0].inputs, ...shape.layers.map((layer) => layer.units)].join("-");
  const loss = typeof job.spec.loss === "string" ? job.spec.loss : "a loss of one's own";
  show("recipe", `${sizes} network, ${job.spec.optimizer.name} at ${number(job.spec.optimizer.learning_rate)}, ${loss}${dataset ? `, on ${dataset.name ?? dataset.id} (${dataset.row_count} rows)` : ""}`);
  if (dataset && state.network.numbers.length > 1) state.data = { names: dataset.columns.map((column) => column.name), rows: (await ask(`/datasets/${dataset.id}/rows?limit=${MOST_POINTS}`)).data };
  choosePlane();
}

// The two inputs that the surface lies over.
function choosePlane() {
  const names = state.network.numbers.map((input) => input.name);
  find("surface-box").hidden = names.length < 2;
  if (names.length < 2) return;
  find("held").hidden = state.network.inputs.length === 2;
  const x = names.includes(given.x) ? given.x : names[0], y = names.includes(given.y) && given.y !== x ? given.y : names.find((name) => name !== x);
  for (const [side, chosen] of [["x", x], ["y", y]]) show(side, ...names.map((name) => make("option", { value: name, selected: name === chosen }, name)));
  move();
}

function move() {
  const { network, data } = state, [x, y] = [find("x").value, find("y").value];
  [state.x, state.y] = [network.axis(x), network.axis(y)];
  for (const at of state.snapshots) at.painted = null;
  const [atX, atY, atTarget] = [x, y, network.target.name].map((name) => data?.names.indexOf(name));
  state.points = (data?.rows ?? []).map((row) => ({ x: row[atX], y: row[atY], value: row[atTarget], class: network.classes ? Math.max(0, network.classes.indexOf(row[atTarget])) : null }));
}

// Keeps a live cursor at the end, and never moves one that somebody has set.
function follow() {
  cursor.max = Math.max(0, state.snapshots.length - 1);
  if (state.whole && !state.sought) {
    state.sought = true;
    const at = state.snapshots.findIndex((each) => each.epoch >= Number(given.epoch ?? Infinity));
    if (at >= 0) [state.live, cursor.value] = [false, at];
    idle(paintAhead);
  }
  if (state.live) cursor.value = cursor.max;
  draw();
}

function painted(at) {
  return (at.painted ??= paint(state.network, state.network.surface(at.parameters, state.x, state.y, COUNT, {}), COUNT));
}

// Surfaces of the replay, made while there is nothing else to do, so that the cursor moves smoothly.
const idle = (work) => (window.requestIdleCallback ?? ((each) => setTimeout(() => each({ timeRemaining: () => 1 }), 50)))(work);
function paintAhead(deadline) {
  if (!state.x) return;
  let next;
  while ((next = state.snapshots.find((at) => !at.painted))) {
    painted(next);
    if (deadline.timeRemaining() < 8) return void idle(paintAhead);
  }
}

function draw() {
  const at = state.snapshots[Number(cursor.value)], { epochs, epoch: trained } = state.job.progress;
  const options = { cursor: at ? at.epoch : null, last: state.job.done ? trained : epochs };
  const known = state.rows.length ? Object.keys(state.rows[0]) : [], quality = known.includes("train_accuracy") ? "accuracy" : "r2";
  const lines = (metric) => [`train_${metric}`, `val_${metric}`].filter((name) => known.includes(name)).map((name, i) => ({ values: state.rows.map((row) => [row.epoch, row[name]]), dashed: i > 0 }));
  drawCurves(find("loss"), lines("loss"), { ...options, log: log.checked, title: "loss, mean over rows" });
  drawCurves(find("quality"), lines(quality), { ...options, log: false, title: UNITS[quality] });
  if (!at) return;
  state.wires?.weigh(at.parameters);
  if (state.x) {
    drawSurface(find("surface"), painted(at), state.x, state.y, state.points, null);
    showLegend("legend", state.network, painted(at).range);
  }
  describe(at, quality);
}

function describe(at, quality) {
  const row = state.rows.findLast((each) => each.epoch <= at.epoch);
  const loss = row ? number(row.train_loss) : "not yet known", good = row ? number(row[`train_${quality}`]) : "not yet known";
  cursor.setAttribute("aria-valuetext", `epoch ${at.epoch}`);
  const words = row && row.val_loss !== undefined ? `; validation loss ${number(row.val_loss)}, ${quality} ${number(row[`val_${quality}`])}` : "";
  const { epoch, epochs } = state.job.progress, all = state.job.done && epoch < epochs ? `${epoch} (ended before ${epochs})` : epochs;
  show("now", `epoch ${at.epoch} of ${all}: loss ${loss}, ${quality} ${good}${words}`);
  find("loss").setAttribute("aria-label", `Loss over epochs; at epoch ${at.epoch} it is ${loss}`);
  find("quality").setAttribute("aria-label", `${quality} over epochs; at epoch ${at.epoch} it is ${good}`);
  if (state.x) find("surface").setAttribute("aria-label", plain(`What the network answers over ${state.x.name} and ${state.y.name} at epoch ${at.epoch}`));
}

async function tell() {
  const job = state.job, words = { queued: `queued${job.queue_position ? `, number ${job.queue_position} in line` : ""}`, running: `running${job.progress.eta_seconds ? `, some ${Math.ceil(job.progress.eta_seconds)} s to go` : ""}` }[job.status] ?? job.status;
  show("status", `${words}${job.error ? `: ${job.error.detail} ${job.error.hint ?? ""}` : ""}`);
  [find("cancel").hidden, find("stop").hidden, find("worst-box").hidden] = [job.done, job.status !== "running", !job.model_id];
  find("model").hidden = !job.model_id;
  if (job.model_id) find("model").href = `/models/${job.model_id}`;
  const alone = job.status === "queued" && (await ask("/status")).workers.length === 0, silence = job.heartbeat_age_seconds;
  const lost = silence > SILENCE ? `Its worker was last heard of ${Math.round(silence)} s ago. Unless it comes back, another goes on from the last checkpoint.` : "";
  show("advice", alone ? "No worker is there, so the job waits. Start one: gradhouse worker" : lost);
}

function age() {
  const seconds = (performance.now() - state.seen) / 1000;
  show("age", state.complete ? "complete" : state.job ? `updated ${seconds.toFixed(1)} s ago` : "");
}

function seek(position, live) {
  state.live = live ?? Number(position) >= Number(cursor.max);
  cursor.value = position;
  cancelAnimationFrame(state.frame);
  state.frame = requestAnimationFrame(draw);
}

// From the first snapshot to the last; slower where motion is to be reduced.
function play() {
  cancelAnimationFrame(state.playing);
  const playing = find("play").getAttribute("aria-pressed") === "true";
  find("play").setAttribute("aria-pressed", String(!playing));
  if (playing) return;
  if (Number(cursor.value) >= Number(cursor.max)) seek(0, false);
  let before = performance.now();
  const step = (now) => {
    if (now - before > (slowly ? 500 : 40)) {
      before = now;
      seek(Number(cursor.value) + 1);
    }
    if (Number(cursor.value) < Number(cursor.max)) state.playing = requestAnimationFrame(step);
    else find("play").setAttribute("aria-pressed", "false");
  };
  state.playing = requestAnimationFrame(step);
}

// A pointer on a curve sets the time, as the cursor does.
function point(event) {
  if (event.type === "pointermove" && !event.buttons) return;
  const wanted = epochAt(event.currentTarget, event, state.job.done ? state.job.progress.epoch : state.job.progress.epochs);
  const nearest = state.snapshots.reduce((best, each, i) => (Math.abs(each.epoch - wanted) < Math.abs(state.snapshots[best].epoch - wanted) ? i : best), 0);
  seek(nearest);
  remember();
}

function remember() {
  const plane = find("held").hidden ? {} : { x: find("x").value, y: find("y").value };
  keep({ epoch: state.live ? null : state.snapshots[Number(cursor.value)]?.epoch, log: log.checked, ...plane });
}

async function look() {
  state.perEpoch ??= (await ask(`/jobs/${id}/steps/1`)).steps_per_epoch;
  await lookAtStep(state.job, state.snapshots[Number(cursor.value)].epoch, state.perEpoch);
}

log.checked = given.log === "true";
cursor.addEventListener("input", () => seek(cursor.value));
cursor.addEventListener("change", remember);
for (const [side, other] of [["x", "y"], ["y", "x"]]) find(side).addEventListener("change", () => {
  if (find(side).value === find(other).value) find(other).value = state[side].name; // they change places
  move();
  draw();
  remember();
});
log.addEventListener("change", () => {
  draw();
  remember();
});
for (const canvas of [find("loss"), find("quality")]) for (const kind of ["pointerdown", "pointermove"]) canvas.addEventListener(kind, point);
find("play").addEventListener("click", play);
find("look").addEventListener("click", coalesced(look));
find("worst").addEventListener("click", coalesced(() => listWorstRows(state.job)));
for (const wish of ["stop", "cancel"]) find(wish).addEventListener("click", () => ask(`/jobs/${id}/${wish}`, { method: "POST" }).then(refresh).catch(complain));
onThemeChange(() => draw());
addEventListener("resize", () => state.job && requestAnimationFrame(draw));
showCommands("commands", [`/jobs/${id}`, `/jobs/${id}/history?points=${POINTS}`, `/jobs/${id}/checkpoints?limit=5`].map((path) => ({ path })));

await refresh().catch(complain);
performance.mark("drawn");
setInterval(age, 100);
requestAnimationFrame(() => new Live(`/jobs/${id}/events`, refresh).run());
