// What a network answers over two inputs, as a picture: shading, the boundary of two classes, and the data points.

import { BOUNDARY, CLASS_CHANNELS, cross, frame, marker, range, scales, sharp } from "./canvas.js";

const LOW = [222, 235, 247];
const HIGH = [8, 48, 107];
const MARGINS = { left: 52, top: 8, right: 8, bottom: 42 };

// Made ready to be drawn again and again: the shading as a small picture, and the field of the boundary.
export function paintSurface(network, answers, count) {
  const boundary = network.classes && answers.length === 1 ? answers[0] : null;
  return { picture: shaded(network, answers, count, count), boundary, count, range: range(answers[0]) };
}

// `points` are {x, y, value, class}; `mark` is {x, y} or null.
export function drawSurface(canvas, painted, { x, y, points, mark }) {
  const { pen, width, height } = sharp(canvas);
  const box = boxIn(width, height);
  const { across, up } = scales(box, x, y);
  pen.imageSmoothingEnabled = false;
  pen.drawImage(painted.picture, box.left, box.top, box.width, box.height);
  if (painted.boundary) drawBoundary(pen, painted.boundary, painted.count, box);
  for (const point of points) {
    if (!within(point.x, x) || !within(point.y, y)) continue;
    const colour = point.class === null ? ramp(point.value, painted.range) : undefined;
    marker(pen, point.class ?? 0, across(point.x), up(point.y), colour);
  }
  if (mark) cross(pen, across(mark.x), up(mark.y));
  frame(pen, box, x, y);
}

export function boxIn(width, height) {
  const { left, top, right, bottom } = MARGINS;
  return { left, top, width: width - left - right, height: height - top - bottom };
}

export const within = (value, { low, high }) => value !== null && value >= low && value <= high;

// From light to dark blue: one hue, so that order is seen as order.
const shade = (level, c) => LOW[c] + Math.min(1, Math.max(0, level)) * (HIGH[c] - LOW[c]);
export function ramp(value, { low, high }) {
  return `rgb(${[0, 1, 2].map((c) => Math.round(shade((value - low) / (high - low || 1), c))).join(" ")})`;
}

// A picture of one pixel an answer, the first row lowest.
export function shaded(network, answers, columns, rows) {
  const small = new OffscreenCanvas(columns, rows);
  const pen = small.getContext("2d");
  const image = pen.createImageData(columns, rows);
  const colour = network.classes ? byClass(network, answers) : byValue(answers[0]);
  const { data } = image;
  for (let i = 0, from = 0; i < rows; i++) {
    for (let j = 0, to = 4 * (rows - 1 - i) * columns; j < columns; j++, from++, to += 4) {
      colour(from, data, to);
      data[to + 3] = 255;
    }
  }
  pen.putImageData(image, 0, 0);
  return small;
}

function byClass(network, answers) {
  const [first] = answers;
  const alone = answers.length === 1;
  return (from, data, to) => {
    const channels = CLASS_CHANNELS[network.label(answers, from) % CLASS_CHANNELS.length];
    const strength = alone ? 0.15 + 0.4 * Math.min(1, Math.abs(first[from])) : 0.45;
    for (let c = 0; c < 3; c++) data[to + c] = 255 + strength * (channels[c] - 255);
  };
}

function byValue(values) {
  const { low, high } = range(values);
  return (from, data, to) => {
    const level = (values[from] - low) / (high - low || 1);
    for (let c = 0; c < 3; c++) data[to + c] = LOW[c] + level * (HIGH[c] - LOW[c]);
  };
}

// Where the score is 0: marching squares between the cells' centres.
function drawBoundary(pen, field, count, box) {
  pen.beginPath();
  for (let i = 0; i + 1 < count; i++) {
    for (let j = 0; j + 1 < count; j++) {
      const at = i * count + j;
      const above = field[at] > 0;
      if (
        field[at + 1] > 0 === above &&
        field[at + count] > 0 === above &&
        field[at + count + 1] > 0 === above
      )
        continue;
      const cuts = cutsOf(field, count, i, j).map(([x, y]) => [
        box.left + ((x + 0.5) * box.width) / count,
        box.top + box.height - ((y + 0.5) * box.height) / count,
      ]);
      for (let k = 0; k + 1 < cuts.length; k += 2) {
        pen.moveTo(...cuts[k]);
        pen.lineTo(...cuts[k + 1]);
      }
    }
  }
  Object.assign(pen, { strokeStyle: BOUNDARY, lineWidth: 1.6 });
  pen.stroke();
}

// Where the edges of one square between four centres are cut.
function cutsOf(field, count, i, j) {
  const corners = [
    [j, i],
    [j + 1, i],
    [j + 1, i + 1],
    [j, i + 1],
  ];
  const cuts = [];
  corners.forEach(([xa, ya], k) => {
    const [xb, yb] = corners[(k + 1) % 4];
    const a = field[ya * count + xa];
    const b = field[yb * count + xb];
    if (a > 0 !== b > 0) cuts.push([xa + ((xb - xa) * a) / (a - b), ya + ((yb - ya) * a) / (a - b)]);
  });
  return cuts;
}
