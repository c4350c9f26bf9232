// What a network answers over one input, as a picture: the curve of the number or of the scores, among the data.

import { colours } from "../page.js";
import { BOUNDARY, cross, frame, marker, range, scales, sharp, stroke } from "./canvas.js";
import { boxIn, shaded, within } from "./surface.js";

const ROOM = 0.12; // above and below what is drawn, as a share of its height
const MARKS = 4; // of its class on the curve of a score
const RUG = 9; // pixels from the edge to the data points of a class

// Made ready to be drawn again and again; where there are classes, the winner is the ground behind the curves.
export function paintProfile(network, answers, count) {
  const ranges = answers.map(range);
  const low = Math.min(...ranges.map((each) => each.low));
  const high = Math.max(...ranges.map((each) => each.high));
  return {
    answers,
    count,
    range: { low, high },
    ground: network.classes ? shaded(network, answers, count, 1) : null,
  };
}

// `points` are {x, value, class}; `mark` is {x} or null; `name` is what the curve stands for.
export function drawProfile(canvas, painted, { x, name, points, mark }) {
  const { pen, width, height } = sharp(canvas);
  const box = boxIn(width, height);
  const y = { ...heights(painted, points), name };
  const seen = points.filter((point) => within(point.x, x));
  const place = scales(box, x, y);
  pen.save();
  pen.beginPath();
  pen.rect(box.left, box.top, box.width, box.height);
  pen.clip();
  if (painted.ground) drawScores(pen, painted, seen, { box, x, place });
  else drawNumber(pen, painted, seen, { x, place });
  if (mark)
    cross(pen, place.across(mark.x), place.up(strongest(painted, (mark.x - x.low) / (x.high - x.low))));
  pen.restore();
  frame(pen, box, x, y);
}

// A number among the data keeps the data's heights while time moves; scores have their own, with 0 among them.
function heights({ ground, range: own }, points) {
  const values = points.map((point) => point.value).filter(Number.isFinite);
  let { low, high } = ground
    ? { low: Math.min(0, own.low), high: Math.max(0, own.high) }
    : values.length
      ? range(values)
      : own;
  if (high - low < 1e-12) [low, high] = [low - 0.5, high + 0.5];
  return { low: low - ROOM * (high - low), high: high + ROOM * (high - low) };
}

function drawNumber(pen, painted, points, { x, place }) {
  const ink = colours();
  for (const point of points) {
    if (Number.isFinite(point.value))
      marker(pen, 0, place.across(point.x), place.up(point.value), ink.curves[0]);
  }
  stroke(pen, corners(painted, 0, x, place), { strokeStyle: ink.curves[1], lineWidth: 2.4 });
}

function drawScores(pen, painted, points, { box, x, place }) {
  const several = painted.answers.length > 1;
  const zero = place.up(0);
  pen.drawImage(painted.ground, box.left, box.top, box.width, box.height);
  stroke(
    pen,
    [
      [box.left, zero],
      [box.left + box.width, zero],
    ],
    { strokeStyle: "#555555", lineWidth: 1 },
  );
  painted.answers.forEach((_, k) => {
    const curve = corners(painted, k, x, place);
    stroke(pen, curve, { strokeStyle: BOUNDARY, lineWidth: several ? 1.4 : 2.2 });
    if (!several) return;
    for (let i = 0; i < MARKS; i++) {
      marker(pen, k, ...curve[Math.floor(((i + (k + 0.5) / painted.answers.length) * curve.length) / MARKS)]);
    }
  });
  for (const point of points) {
    const above = !several && point.class === 1; // a positive score means the second class
    marker(pen, point.class, place.across(point.x), above ? box.top + RUG : box.top + box.height - RUG);
  }
}

function corners({ answers, count }, k, x, { across, up }) {
  const step = (x.high - x.low) / (count - 1);
  return Array.from(answers[k], (answer, i) => [across(x.low + i * step), up(answer)]);
}

// The greatest answer at a share of the way across, between the two that are known.
function strongest({ answers, count }, share) {
  const at = Math.min(1, Math.max(0, share)) * (count - 1);
  const left = Math.min(count - 2, Math.floor(at));
  return Math.max(...answers.map((answer) => answer[left] + (at - left) * (answer[left + 1] - answer[left])));
}
