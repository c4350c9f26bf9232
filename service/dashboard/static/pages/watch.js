// Watch a training: curves, answers and network, all driven by one time cursor; live while the cursor is at the end.

import {
  ask,
  coalesced,
  complain,
  find,
  keep,
  make,
  onThemeChange,
  plain,
  query,
  show,
} from "../parts/page.js";
import { Answers } from "../parts/answers.js";
import { drawCurves, epochAt } from "../parts/drawing/curves.js";
import { Wires } from "../parts/drawing/wires.js";
import { Time } from "../parts/time.js";
import { POINTS, Training, qualityAt, recipeOf, stateOf, troubleOf } from "../parts/training.js";

const UNITS = { accuracy: "accuracy, share of rows", r2: "R², share of variance" };
const id = find("watch").dataset.job;
const log = find("log");
const given = query();
const training = new Training(id);
const time = new Time(find("cursor"), find("play"), draw, remember);
let answers = null;
let wires = null;
let seen = 0;
let wanted = given.epoch;

// Learns what is new and shows it; says whether nothing more will come.
async function refresh() {
  const first = training.job === null;
  const complete = await training.look();
  seen = performance.now();
  if (first) introduce();
  time.extend(training.snapshots.length);
  if (training.whole && wanted !== undefined) goTo(Number(wanted));
  tell();
  draw();
  await advise();
  if (training.whole) soon(paintAhead);
  return complete;
}

// What never changes.
function introduce() {
  const { job, network } = training;
  const name = plain(job.name ?? job.id);
  show("name", name);
  document.title = `${name} · Watch · gradhouse`;
  for (const part of ["network-box", "look-box"]) find(part).hidden = network === null;
  find("surface-box").hidden = !network?.numbers.length;
  find("gone").hidden = network !== null || job.kind !== "train";
  if (network === null) return;
  show("recipe", recipeOf(training));
  wires = new Wires(find("network"), network, null);
  if (network.numbers.length) choose();
}

// The inputs that the picture lies over.
function choose() {
  const { inputs, numbers, plane } = training.network;
  const names = numbers.map((input) => input.name);
  const usual = plane.map((input) => input.name);
  answers = new Answers(training.network, training.data);
  find("held").hidden = names.length < 2 || inputs.length === 2;
  find("others").hidden = inputs.length <= Math.min(2, names.length);
  const x = names.includes(given.x) ? given.x : usual[0];
  const y = names.includes(given.y) && given.y !== x ? given.y : usual.find((name) => name !== x);
  for (const [side, chosen] of [
    ["x", x],
    ["y", y],
  ]) {
    show(side, ...names.map((name) => make("option", { value: name, selected: name === chosen }, name)));
  }
  lay();
}

function lay() {
  answers.over([find("x").value, find("y").value].slice(0, training.network.numbers.length));
  for (const snapshot of training.snapshots) snapshot.painted = null;
}

const paint = (snapshot) => (snapshot.painted ??= answers.paint(snapshot.parameters, {}));

// Pictures of the replay, made while there is nothing else to do, so that the cursor moves smoothly.
const soon = (work) =>
  (window.requestIdleCallback ?? ((each) => setTimeout(() => each({ timeRemaining: () => 1 }), 50)))(work);
function paintAhead(deadline) {
  if (!answers) return;
  let next;
  while ((next = training.snapshots.find((snapshot) => !snapshot.painted))) {
    paint(next);
    if (deadline.timeRemaining() < 8) return void soon(paintAhead);
  }
}

// Every picture first and every word after them: words that change would have the page laid out between two pictures.
function draw() {
  const snapshot = training.snapshots[time.position];
  const { quality } = training;
  const options = { cursor: snapshot?.epoch ?? null, last: training.last };
  drawCurves(find("loss"), linesOf("loss"), { ...options, log: log.checked, title: "loss, mean over rows" });
  drawCurves(find("quality"), linesOf(quality), { ...options, log: false, title: UNITS[quality] });
  if (!snapshot) return;
  wires?.weigh(snapshot.parameters);
  answers?.draw(paint(snapshot), null, ` at epoch ${snapshot.epoch}`);
  describe(snapshot);
}

// The curves of a metric: of the training rows, and of those held back for validation.
function linesOf(metric) {
  const { epochs } = training;
  const names = [`train_${metric}`, `val_${metric}`].filter((name) => epochs.length && name in epochs[0]);
  const numbers = epochs.map((each) => each.epoch);
  return names.map((name) => ({
    epochs: numbers,
    values: epochs.map((each) => each[name]),
    dashed: name.startsWith("val"),
  }));
}

function describe(snapshot) {
  const { epoch } = snapshot;
  const { loss, quality, words } = qualityAt(training, snapshot);
  show("now", words);
  time.describe(`epoch ${epoch}`);
  find("loss").setAttribute("aria-label", `Loss over epochs; at epoch ${epoch} it is ${loss}`);
  find("quality").setAttribute(
    "aria-label",
    `${training.quality} over epochs; at epoch ${epoch} it is ${quality}`,
  );
}

function tell() {
  const { job } = training;
  show("status", stateOf(job));
  find("cancel").hidden = job.done;
  find("worst-box").hidden = find("model").hidden = !job.model_id;
  find("stop").hidden = job.status !== "running" || job.stop_requested;
  if (job.model_id) find("model").href = `/models/${job.model_id}`;
}

async function advise() {
  const workers = training.job.status === "queued" ? (await ask("/status")).workers.length : null;
  show("advice", troubleOf(training.job, workers));
}

function age() {
  const seconds = (performance.now() - seen) / 1000;
  show("age", training.complete ? "complete" : training.job ? `updated ${seconds.toFixed(1)} s ago` : "");
}

// To the first snapshot that is not before the epoch of the address.
function goTo(epoch) {
  const at = training.snapshots.findIndex((snapshot) => snapshot.epoch >= epoch);
  if (at >= 0) time.set(at);
  wanted = undefined;
}

// A pointer on a curve sets the time, as the cursor does.
function point(event) {
  if (event.type === "pointermove" && !event.buttons) return;
  const epoch = epochAt(event.currentTarget, event, training.last);
  const away = ({ epoch: each }) => Math.abs(each - epoch);
  time.seek(training.snapshots.reduce((best, each, i, all) => (away(each) < away(all[best]) ? i : best), 0));
  remember();
}

function remember() {
  const plane = find("held").hidden ? {} : { x: find("x").value, y: find("y").value };
  keep({ epoch: time.live ? null : training.snapshots[time.position]?.epoch, log: log.checked, ...plane });
}

// Two inputs that are to be the same change places.
function lean(side, other) {
  if (find(side).value === find(other).value) find(other).value = answers.axes[side === "x" ? 0 : 1].name;
  lay();
  draw();
  remember();
}

async function look() {
  const { lookAtStep } = await import("../parts/closely.js");
  await lookAtStep(training.job, training.snapshots[time.position].epoch);
}

async function listWorst() {
  const { listWorstRows } = await import("../parts/closely.js");
  await listWorstRows(training.job);
}

async function showRequests() {
  const { showCommands } = await import("../parts/commands.js");
  const paths = ["", `/history?points=${POINTS}`, "/checkpoints?limit=5"];
  showCommands(
    "commands",
    paths.map((path) => ({ path: training.path + path })),
  );
}

// What is under way may have looked before the wish was there.
async function send(wish) {
  await ask(`${training.path}/${wish}`, { method: "POST" });
  await training.looking;
  await refresh();
}

function listen() {
  find("x").addEventListener("change", () => lean("x", "y"));
  find("y").addEventListener("change", () => lean("y", "x"));
  for (const canvas of [find("loss"), find("quality")]) {
    canvas.addEventListener("pointerdown", point);
    canvas.addEventListener("pointermove", point);
  }
  log.addEventListener("change", () => {
    draw();
    remember();
  });
  find("look").addEventListener("click", coalesced(look));
  find("worst").addEventListener("click", coalesced(listWorst));
  find("requests").addEventListener("toggle", showRequests);
  for (const wish of ["stop", "cancel"])
    find(wish).addEventListener("click", () => send(wish).catch(complain));
  const redraw = () => training.job && requestAnimationFrame(draw);
  onThemeChange(redraw);
  addEventListener("resize", redraw);
}

log.checked = given.log === "true";
listen();
await refresh().catch(complain);
performance.mark("drawn");
setInterval(age, 100);
requestAnimationFrame(async () => {
  const { Live } = await import("../parts/live.js");
  new Live(`${training.path}/events`, refresh).run();
});
