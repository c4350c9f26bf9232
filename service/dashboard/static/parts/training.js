// What a page knows of a training, how it learns what is new, and what is said of it in words.

import { readData } from "./answers.js";
import { Network, unpackCheckpoints } from "./network.js";
import { ask, number } from "./page.js";

export const POINTS = 400; // epochs that a curve is drawn from
const SILENCE_SECONDS = 7; // of a worker, before it is worth a word
const MOST_EPOCHS = 2000; // kept; beyond, all are asked for again, so that a page never grows without end

export class Training {
  constructor(id) {
    Object.assign(this, { path: `/jobs/${id}`, job: null, network: null, data: null });
    Object.assign(this, { epochs: [], snapshots: [], whole: false, learned: 0, looking: null });
  }

  // Learns what is new, never twice at once; says whether nothing more will come.
  look() {
    this.looking ??= (this.job ? this.goOn() : this.begin()).finally(() => (this.looking = null));
    return this.looking;
  }

  get complete() {
    return this.whole && this.job.done;
  }

  // All that the first picture is drawn from, at once: with no key to be sent, the page has asked for it already.
  async begin() {
    const job = ask(this.path);
    const [found, shape, history, newest, data] = await Promise.all([
      job,
      unlessGone(ask(`${this.path}/network`)), // with its dataset it was deleted how inputs are scaled
      ask(`${this.path}/history?points=${POINTS}`),
      this.readSnapshots("&newest=1"),
      unlessGone(job.then((each) => readData(each.dataset_id))),
    ]);
    Object.assign(this, { job: found, data, network: shape && new Network(shape) });
    Object.assign(this, { epochs: history.data, snapshots: newest });
    return false;
  }

  async readSnapshots(which) {
    return unpackCheckpoints(await ask(`${this.path}/checkpoints?format=float64${which}`, { as: "buffer" }));
  }

  // The whole way once, then what is new of it: of the epochs as many as their share of all that are drawn.
  async goOn() {
    this.job = await ask(this.path);
    const { epoch } = this.job.progress;
    if (this.whole && !this.job.done && epoch === this.learned) return false;
    const known = this.epochs.length < MOST_EPOCHS ? (this.epochs.at(-1)?.epoch ?? 0) : 0;
    const now = Math.max(1, epoch);
    const points = Math.max(2, Math.ceil((POINTS * (now - known)) / now));
    const last = this.whole ? this.snapshots.at(-1) : undefined;
    const [history, snapshots] = await Promise.all([
      ask(`${this.path}/history?points=${points}&after=${known}`),
      this.snapshotIsDue() ? this.readSnapshots(last ? `&after=${last.epoch}` : "") : [],
    ]);
    this.epochs = known ? [...this.epochs, ...history.data] : history.data;
    this.snapshots = this.whole ? [...this.snapshots, ...snapshots] : snapshots;
    Object.assign(this, { whole: true, learned: epoch });
    return this.complete;
  }

  // Snapshots come at distances that grow, but for rounding: before the next can be there it is not asked for.
  snapshotIsDue() {
    if (!this.whole || this.job.done || this.snapshots.length < 2) return true;
    const [before, last] = this.snapshots.slice(-2).map((each) => each.epoch);
    return this.job.progress.epoch >= 2 * last - before - 1;
  }

  // The epoch that a moment of the replay shows: the last one that is known at a snapshot.
  epochOf(snapshot) {
    return this.epochs.findLast((each) => each.epoch <= snapshot.epoch);
  }

  // How many epochs the time runs over.
  get last() {
    const { epoch, epochs } = this.job.progress;
    return this.job.done ? epoch : epochs;
  }

  // The metric beside the loss, where there is one.
  get quality() {
    return this.epochs.length && "train_accuracy" in this.epochs[0] ? "accuracy" : "r2";
  }
}

// Null for what is not there, or no longer.
const unlessGone = (answer) =>
  answer.catch((error) => ([404, 410].includes(error.status) ? null : Promise.reject(error)));

// Which network, which optimizer, which loss, on what.
export function recipeOf({ job, network, data }) {
  const { loss, optimizer } = job.spec;
  const rate = number(optimizer.learning_rate);
  const sizes = [network.layers[0].inputs, ...network.layers.map((layer) => layer.units)].join("-");
  const on = data ? `, on ${data.name} (${data.count} rows)` : "";
  const lost = typeof loss === "string" ? loss : "a loss of one's own";
  return `${sizes} network, ${optimizer.name} at ${rate}, ${lost}${on}`;
}

export function stateOf({ status, stop_requested: stopping, queue_position: position, progress, error }) {
  if (error) return `${status}: ${error.detail} ${error.hint ?? ""}`;
  const left = progress.eta_seconds ? `, some ${Math.ceil(progress.eta_seconds)} s to go` : "";
  if (status === "queued") return `queued${position ? `, number ${position} in line` : ""}${left}`;
  if (status !== "running") return status;
  return stopping ? "stopping: the model is kept as it is after this epoch" : `running${left}`;
}

// Why it does not go on, and what would help; nothing while all is well.
export function troubleOf({ status, heartbeat_age_seconds: silence }, workers) {
  if (status === "queued" && workers === 0)
    return "No worker is there, so the job waits. Start one: gradhouse worker";
  if (!(silence > SILENCE_SECONDS)) return "";
  const heard = `Its worker was last heard of ${Math.round(silence)} s ago.`;
  return `${heard} Unless it comes back, another goes on from the last checkpoint.`;
}

// How good the network was at a snapshot: {loss, quality, words}.
export function qualityAt(training, snapshot) {
  const { epoch, epochs } = training.job.progress;
  const name = training.quality;
  const row = training.epochOf(snapshot);
  const told = (metric) => (row ? number(row[metric]) : "not yet known");
  const [loss, quality] = [told("train_loss"), told(`train_${name}`)];
  const validated =
    row?.val_loss !== undefined
      ? `; validation loss ${told("val_loss")}, ${name} ${told(`val_${name}`)}`
      : "";
  const all = training.job.done && epoch < epochs ? `${epoch} (ended before ${epochs})` : epochs;
  return {
    loss,
    quality,
    words: `epoch ${snapshot.epoch} of ${all}: loss ${loss}, ${name} ${quality}${validated}`,
  };
}
