// Canvases: a surface with its points, and curves over epochs. Sign and class show by shape as well as colour.

import { channels, colours, number, plain } from "./page.js";

// Okabe and Ito's colours, for every kind of colour vision.
const CLASS_COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#f0e442", "#777777"];
const CLASS_CHANNELS = CLASS_COLOURS.map(channels);
const LOW = [222, 235, 247], HIGH = [8, 48, 107];

export function sharp(canvas) {
  const ratio = devicePixelRatio || 1, { clientWidth, clientHeight } = canvas;
  const [width, height] = [Math.round(clientWidth * ratio), Math.round(clientHeight * ratio)];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, clientWidth, clientHeight);
  return { pen, width: clientWidth, height: clientHeight };
}

// A surface made ready to be drawn again and again: its shading as a small picture, and the field of its boundary.
export function paint(network, scores, count) {
  return { picture: shaded(network, scores, count), field: network.classes && scores.length === 1 ? scores[0] : null, count, range: range(scores[0]) };
}

export function drawSurface(canvas, painted, x, y, points, mark) {
  const { pen, width, height } = sharp(canvas);
  const box = { left: 52, top: 8, width: width - 60, height: height - 50 };
  pen.imageSmoothingEnabled = false;
  pen.drawImage(painted.picture, box.left, box.top, box.width, box.height);
  const across = (value) => box.left + (box.width * (value - x.low)) / (x.high - x.low);
  const up = (value) => box.top + box.height * (1 - (value - y.low) / (y.high - y.low));
  if (painted.field) boundary(pen, painted.field, painted.count, box);
  for (const point of points) {
    if (point.x === null || point.y === null || point.x < x.low || point.x > x.high || point.y < y.low || point.y > y.high) continue;
    marker(pen, point.class ?? 0, across(point.x), up(point.y), point.class === null ? ramp(point.value, painted.range) : undefined);
  }
  if (mark) cross(pen, across(mark.x), up(mark.y));
  frame(pen, box, x, y, across, up);
}

// From light to dark blue: one hue, so that order is seen as order.
const shade = (level, c) => LOW[c] + Math.min(1, Math.max(0, level)) * (HIGH[c] - LOW[c]);
export const ramp = (value, { low, high }) => `rgb(${[0, 1, 2].map((c) => Math.round(shade((value - low) / (high - low || 1), c))).join(" ")})`;

function range(values) {
  let low = Infinity, high = -Infinity;
  for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
  return { low, high };
}

function shaded(network, scores, count) {
  const small = new OffscreenCanvas(count, count), pen = small.getContext("2d"), image = pen.createImageData(count, count);
  const values = scores[0], { low, high } = range(values), one = new Float64Array(scores.length);
  for (let i = 0; i < count * count; i++) {
    const at = 4 * ((count - 1 - Math.floor(i / count)) * count + (i % count));
    if (network.classes) {
      for (let k = 0; k < scores.length; k++) one[k] = scores[k][i];
      const colour = CLASS_CHANNELS[network.label(one) % CLASS_CHANNELS.length];
      const strength = scores.length === 1 ? 0.15 + 0.4 * Math.min(1, Math.abs(one[0])) : 0.45;
      for (let c = 0; c < 3; c++) image.data[at + c] = 255 + strength * (colour[c] - 255);
    } else for (let c = 0; c < 3; c++) image.data[at + c] = shade((values[i] - low) / (high - low || 1), c);
    image.data[at + 3] = 255;
  }
  pen.putImageData(image, 0, 0);
  return small;
}

// Where the score is 0: marching squares between the cells' centres.
function boundary(pen, field, count, box) {
  const px = (j) => box.left + ((j + 0.5) * box.width) / count, py = (i) => box.top + box.height - ((i + 0.5) * box.height) / count;
  pen.beginPath();
  for (let i = 0; i + 1 < count; i++) for (let j = 0; j + 1 < count; j++) {
    const corners = [[j, i], [j + 1, i], [j + 1, i + 1], [j, i + 1]], cuts = [];
    corners.forEach(([xa, ya], k) => {
      const [xb, yb] = corners[(k + 1) % 4], a = field[ya * count + xa], b = field[yb * count + xb];
      if (a > 0 !== b > 0) cuts.push([px(xa + (xb - xa) * (a / (a - b))), py(ya + (yb - ya) * (a / (a - b)))]);
    });
    for (let k = 0; k + 1 < cuts.length; k += 2) {
      pen.moveTo(...cuts[k]);
      pen.lineTo(...cuts[k + 1]);
    }
  }
  Object.assign(pen, { strokeStyle: "#111111", lineWidth: 1.6 });
  pen.stroke();
}

// Of four shapes: a ninth class, which has the first one's colour, has another shape.
export const shapeOf = (position) => (position + Math.floor(position / CLASS_COLOURS.length)) % 4;

function marker(pen, position, x, y, colour = CLASS_COLOURS[position % CLASS_COLOURS.length]) {
  pen.beginPath();
  const shape = shapeOf(position);
  if (shape === 0) pen.arc(x, y, 3.6, 0, 7);
  else if (shape === 1) pen.rect(x - 3.3, y - 3.3, 6.6, 6.6);
  else if (shape === 2) polygon(pen, x, y, [[0, -4.4], [4.2, 3.4], [-4.2, 3.4]]);
  else polygon(pen, x, y, [[0, -4.6], [4.2, 0], [0, 4.6], [-4.2, 0]]);
  Object.assign(pen, { fillStyle: colour, strokeStyle: "#ffffff", lineWidth: 1 });
  pen.fill();
  pen.stroke();
}

function polygon(pen, x, y, corners) {
  corners.forEach(([dx, dy], i) => pen[i ? "lineTo" : "moveTo"](x + dx, y + dy));
  pen.closePath();
}

function cross(pen, x, y) {
  for (const [style, size] of [["#ffffff", 5], ["#111111", 2]]) {
    Object.assign(pen, { strokeStyle: style, lineWidth: size });
    pen.beginPath();
    pen.moveTo(x - 9, y); pen.lineTo(x + 9, y); pen.moveTo(x, y - 9); pen.lineTo(x, y + 9);
    pen.stroke();
  }
}

function ticks(low, high) {
  const rough = (high - low) / 5, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((m) => m * power >= rough) * power, found = [];
  for (let i = Math.ceil(low / step); i * step <= high + 1e-12 * Math.abs(high); i++) found.push(Number((i * step).toPrecision(12)));
  return found;
}

function frame(pen, box, x, y, across, up) {
  const ink = colours();
  Object.assign(pen, { strokeStyle: ink.line, fillStyle: ink.text, lineWidth: 1, font: "12px system-ui, sans-serif" });
  pen.strokeRect(box.left, box.top, box.width, box.height);
  pen.textAlign = "center";
  for (const value of ticks(x.low, x.high)) pen.fillText(number(value, 3), across(value), box.top + box.height + 15);
  pen.textAlign = "right";
  for (const value of ticks(y.low, y.high)) pen.fillText(number(value, 3), box.left - 5, up(value) + 4);
  titles(pen, box, plain(x.name), plain(y.name));
}

// What the axes show, below and upright on the left.
function titles(pen, box, below, upright) {
  pen.textAlign = "center";
  pen.fillText(below, box.left + box.width / 2, box.top + box.height + 34);
  pen.save();
  pen.translate(12, box.top + box.height / 2);
  pen.rotate(-Math.PI / 2);
  pen.fillText(upright, 0, 0, box.height);
  pen.restore();
}

const CURVES = { left: 60, top: 10, right: 14, bottom: 44 };

// Curves over epochs: `lines` are {values: [[epoch, y], …], dashed}; raw, never smoothed.
export function drawCurves(canvas, lines, { cursor, log, title, last }) {
  const { pen, width, height } = sharp(canvas), ink = colours();
  const all = lines.flatMap((line) => line.values.map(([, v]) => v)).filter((v) => Number.isFinite(v) && (!log || v > 0));
  if (!all.length) return;
  const scale = log ? Math.log10 : (v) => v;
  let { low, high } = range(all.map(scale));
  if (high - low < 1e-12) [low, high] = [low - 0.5, high + 0.5];
  const box = { left: CURVES.left, top: CURVES.top, width: width - CURVES.left - CURVES.right, height: height - CURVES.top - CURVES.bottom };
  const across = (epoch) => box.left + (box.width * epoch) / Math.max(last, 1);
  const up = (v) => box.top + box.height * (1 - (scale(v) - low) / (high - low));
  Object.assign(pen, { font: "12px system-ui, sans-serif", fillStyle: ink.text, strokeStyle: ink.line, lineWidth: 1 });
  pen.strokeRect(box.left, box.top, box.width, box.height);
  pen.textAlign = "right";
  for (const tick of ticks(low, high)) pen.fillText(number(log ? 10 ** tick : tick, 3), box.left - 5, up(log ? 10 ** tick : tick) + 4);
  pen.textAlign = "center";
  for (const tick of ticks(0, Math.max(last, 1))) pen.fillText(tick, across(tick), box.top + box.height + 15);
  titles(pen, box, "epoch", title);
  lines.forEach((line, i) => curve(pen, line, ink.curves[i], across, (v) => (Number.isFinite(v) && (!log || v > 0) ? up(v) : null)));
  if (cursor !== null) stroke(pen, [[across(cursor), box.top], [across(cursor), box.top + box.height]], { strokeStyle: ink.mark, lineWidth: 1.5 });
}

// A number that is not finite leaves a gap.
function curve(pen, line, colour, across, up) {
  pen.beginPath();
  pen.setLineDash(line.dashed ? [5, 4] : []);
  Object.assign(pen, { strokeStyle: colour, lineWidth: 1.8 });
  let down = false;
  for (const [epoch, v] of line.values) {
    const height = up(v);
    if (height !== null) pen[down ? "lineTo" : "moveTo"](across(epoch), height);
    down = height !== null;
  }
  pen.stroke();
  pen.setLineDash([]);
}

function stroke(pen, corners, style) {
  Object.assign(pen, style);
  pen.beginPath();
  corners.forEach(([x, y], i) => pen[i ? "lineTo" : "moveTo"](x, y));
  pen.stroke();
}

// The epoch that a pointer is over.
export function epochAt(canvas, event, last) {
  const width = canvas.clientWidth - CURVES.left - CURVES.right;
  return (Math.max(last, 1) * (event.offsetX - CURVES.left)) / width;
}
