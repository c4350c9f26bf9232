// What every picture on a canvas is made of: sharp pixels, axes with their ticks, marks of shape and colour.

import { channels, colours, number, plain } from "../page.js";

export const FONT = "12px system-ui, sans-serif";
// Okabe and Ito's colours, for every kind of colour vision.
export const CLASS_COLOURS = [
  "#0072b2",
  "#d55e00",
  "#009e73",
  "#cc79a7",
  "#e69f00",
  "#56b4e9",
  "#f0e442",
  "#777777",
];
export const CLASS_CHANNELS = CLASS_COLOURS.map(channels);
export const BOUNDARY = "#111111"; // on the light ground of a surface, in both themes

export const colourOf = (position) => CLASS_COLOURS[position % CLASS_COLOURS.length];
// Of four shapes: a ninth class, which has the first one's colour, has another shape.
export const shapeOf = (position) => (position + Math.floor(position / CLASS_COLOURS.length)) % 4;

export function sharp(canvas) {
  const ratio = devicePixelRatio || 1;
  const { clientWidth, clientHeight } = canvas;
  const [width, height] = [Math.round(clientWidth * ratio), Math.round(clientHeight * ratio)];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, clientWidth, clientHeight);
  return { pen, width: clientWidth, height: clientHeight };
}

export function range(values) {
  let low = Infinity;
  let high = -Infinity;
  for (let i = 0; i < values.length; i++) {
    if (values[i] < low) low = values[i];
    if (values[i] > high) high = values[i];
  }
  return { low, high };
}

// From numbers to pixels of a box: `across` from the left, `up` from below.
export function scales(box, x, y) {
  const { left, top, width, height } = box;
  return {
    across: (value) => left + (width * (value - x.low)) / (x.high - x.low),
    up: (value) => top + height * (1 - (value - y.low) / (y.high - y.low)),
  };
}

function ticks(low, high) {
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((m) => m * power >= rough) * power;
  const found = [];
  for (let i = Math.ceil(low / step); i * step <= high + 1e-12 * Math.abs(high); i++) {
    found.push(Number((i * step).toPrecision(12)));
  }
  return found;
}

// The frame of a picture: `x` and `y` are {low, high, name}, and `text` where a tick is not its own number.
export function frame(pen, box, x, y) {
  const ink = colours();
  const { across, up } = scales(box, x, y);
  const words = (axis, value) => axis.text?.(value) ?? number(value, 3);
  Object.assign(pen, { strokeStyle: ink.line, fillStyle: ink.text, lineWidth: 1, font: FONT });
  pen.strokeRect(box.left, box.top, box.width, box.height);
  pen.textAlign = "center";
  for (const value of ticks(x.low, x.high))
    pen.fillText(words(x, value), across(value), box.top + box.height + 15);
  pen.textAlign = "right";
  for (const value of ticks(y.low, y.high)) pen.fillText(words(y, value), box.left - 5, up(value) + 4);
  titles(pen, box, plain(x.name), plain(y.name));
}

// What the axes show, below and upright on the left.
function titles(pen, box, below, upright) {
  pen.textAlign = "center";
  pen.fillText(below, box.left + box.width / 2, box.top + box.height + 34, box.width);
  pen.save();
  pen.translate(12, box.top + box.height / 2);
  pen.rotate(-Math.PI / 2);
  pen.fillText(upright, 0, 0, box.height);
  pen.restore();
}

export function stroke(pen, corners, style) {
  Object.assign(pen, style);
  pen.beginPath();
  corners.forEach(([x, y], i) => pen[i ? "lineTo" : "moveTo"](x, y));
  pen.stroke();
}

// One data point: its class is its shape and its colour.
export function marker(pen, position, x, y, colour = colourOf(position)) {
  pen.beginPath();
  const shape = shapeOf(position);
  if (shape === 0) pen.arc(x, y, 3.6, 0, 7);
  else if (shape === 1) pen.rect(x - 3.3, y - 3.3, 6.6, 6.6);
  else if (shape === 2)
    polygon(pen, x, y, [
      [0, -4.4],
      [4.2, 3.4],
      [-4.2, 3.4],
    ]);
  else
    polygon(pen, x, y, [
      [0, -4.6],
      [4.2, 0],
      [0, 4.6],
      [-4.2, 0],
    ]);
  Object.assign(pen, { fillStyle: colour, strokeStyle: "#ffffff", lineWidth: 1 });
  pen.fill();
  pen.stroke();
}

function polygon(pen, x, y, corners) {
  corners.forEach(([dx, dy], i) => pen[i ? "lineTo" : "moveTo"](x + dx, y + dy));
  pen.closePath();
}

// The row that is looked at.
export function cross(pen, x, y) {
  for (const [strokeStyle, lineWidth] of [
    ["#ffffff", 5],
    [BOUNDARY, 2],
  ]) {
    stroke(
      pen,
      [
        [x - 9, y],
        [x + 9, y],
      ],
      { strokeStyle, lineWidth },
    );
    stroke(
      pen,
      [
        [x, y - 9],
        [x, y + 9],
      ],
      { strokeStyle, lineWidth },
    );
  }
}
