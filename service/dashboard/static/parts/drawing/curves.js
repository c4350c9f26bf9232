// Curves over epochs: raw, never smoothed; a number that is not finite leaves a gap.

import { colours } from "../page.js";
import { frame, range, scales, sharp, stroke } from "./canvas.js";

const MARGINS = { left: 60, top: 10, right: 14, bottom: 44 };

// `lines` are {epochs, values, dashed}; the logarithm leaves out what is not positive.
export function drawCurves(canvas, lines, { cursor, log, title, last }) {
  const { pen, width, height } = sharp(canvas);
  const ink = colours();
  const scale = log ? Math.log10 : (value) => value;
  const drawn = lines.map((line) => ({ ...line, values: line.values.map((value) => scaled(value, scale)) }));
  const box = boxIn(width, height);
  const x = { low: 0, high: Math.max(last, 1), name: "epoch", text: String };
  const y = {
    ...heights(drawn),
    name: title,
    ...(log && { text: (value) => Number((10 ** value).toPrecision(3)).toString() }),
  };
  if (!Number.isFinite(y.low)) return;
  const { across, up } = scales(box, x, y);
  frame(pen, box, x, y);
  drawn.forEach((line, i) => curve(pen, line, ink.curves[i], across, up));
  if (cursor === null) return;
  stroke(
    pen,
    [box.top, box.top + box.height].map((end) => [across(cursor), end]),
    { strokeStyle: ink.mark, lineWidth: 1.5 },
  );
}

// The epoch that a pointer is over.
export function epochAt(canvas, event, last) {
  const box = boxIn(canvas.clientWidth, canvas.clientHeight);
  return (Math.max(last, 1) * (event.offsetX - box.left)) / box.width;
}

function boxIn(width, height) {
  const { left, top, right, bottom } = MARGINS;
  return { left, top, width: width - left - right, height: height - top - bottom };
}

// The height of a value; null where there is none.
function scaled(value, scale) {
  const height = value === null || value === undefined ? NaN : scale(value);
  return Number.isFinite(height) ? height : null;
}

function heights(lines) {
  const { low, high } = range(lines.flatMap((line) => line.values.filter((value) => value !== null)));
  return high - low < 1e-12 ? { low: low - 0.5, high: high + 0.5 } : { low, high };
}

function curve(pen, { epochs, values, dashed }, colour, across, up) {
  pen.beginPath();
  pen.setLineDash(dashed ? [5, 4] : []);
  Object.assign(pen, { strokeStyle: colour, lineWidth: 1.8 });
  let down = false;
  values.forEach((value, i) => {
    if (value !== null) pen[down ? "lineTo" : "moveTo"](across(epochs[i]), up(value));
    down = value !== null;
  });
  pen.stroke();
  pen.setLineDash([]);
}
