// What a network answers over its inputs, as a picture with its legend: a curve over one number, a surface over two.

import { shapeOf } from "./drawing/canvas.js";
import { drawProfile, paintProfile } from "./drawing/profile.js";
import { drawSurface, paintSurface, ramp } from "./drawing/surface.js";
import { ask, find, make, number, plain, show } from "./page.js";

const COUNT = 60; // answers along each side of a surface
const FINE = 400; // along a curve
const SHAPES = ["●", "■", "▲", "◆"];
const SHADES = 9;
const MOST_ROWS = 1000;
const MOST_CELLS = 10_000; // of the data that are drawn as points

// {name, count, names of the columns, rows}: the first rows of a dataset, fewer where they are wide.
export async function readData(id) {
  const { name, row_count: count, columns } = await ask(`/datasets/${id}`);
  const limit = Math.min(MOST_ROWS, Math.floor(MOST_CELLS / columns.length) || 1);
  const { data } = await ask(`/datasets/${id}/rows?limit=${limit}`);
  return { name: name ?? id, count, names: columns.map((column) => column.name), rows: data };
}

export class Answers {
  // The page has a canvas "surface", in a "surface-box", and a list "legend".
  constructor(network, data) {
    Object.assign(this, { network, data, points: [], axes: [] });
  }

  // Lays the picture over one or two inputs, by their names.
  over(names) {
    this.axes = names.map((name) => this.network.axis(name));
    this.place();
  }

  // The data behind the points: {names, rows}.
  show(data) {
    this.data = data;
    this.place();
  }

  place() {
    const { network, data } = this;
    const column = (name) => data.names.indexOf(name);
    if (!data) return;
    const [x, y] = this.axes.map((axis) => column(axis.name));
    const target = column(network.target.name);
    const position = (label) => (network.classes ? Math.max(0, network.classes.indexOf(label)) : null);
    this.points = data.rows.map((row) => ({
      x: row[x],
      y: row[y],
      value: row[target],
      class: position(row[target]),
    }));
  }

  // What can be drawn again and again; the other inputs are held as `held` says, or at their usual values.
  paint(parameters, held) {
    const count = this.axes.length > 1 ? COUNT : FINE;
    const answers = this.network.answers(parameters, this.axes, count, held);
    return (this.axes.length > 1 ? paintSurface : paintProfile)(this.network, answers, count);
  }

  // `row` is marked where it lies; `when` says in words what is seen.
  draw(painted, row, when) {
    const [x, y] = this.axes;
    const { classes, target } = this.network;
    const mark = row && { x: row[x.name], y: y && row[y.name] };
    if (y) drawSurface(find("surface"), painted, { x, y, points: this.points, mark });
    else
      drawProfile(find("surface"), painted, {
        x,
        name: classes ? "score" : target.name,
        points: this.points,
        mark,
      });
    showLegend("legend", this.network, y ? painted.range : null);
    const over = y ? `${x.name} and ${y.name}` : x.name;
    find("surface").setAttribute("aria-label", plain(`What the network answers over ${over}${when}`));
  }
}

// `range` is what the shades of a surface go over; null where a curve is drawn. All but the shades never changes.
function showLegend(id, { classes, target }, range) {
  if (!classes && range) show(id, ...shadesOf(target, range));
  else if (!find(id).children.length) show(id, ...(classes ? classes.map(nameOf) : partsOfCurve(target)));
}

function nameOf(label, i) {
  return make(
    "li",
    { class: `class-${i % 8}` },
    make("span", { class: "mark", "aria-hidden": "true" }, SHAPES[shapeOf(i)]),
    ` ${label}`,
  );
}

function shadesOf(target, { low, high }) {
  const rects = Array.from({ length: SHADES }, (_, i) => {
    return make("svg:rect", {
      x: 10 * i,
      width: 10,
      height: 12,
      fill: ramp(i / (SHADES - 1), { low: 0, high: 1 }),
    });
  });
  const ramped = make(
    "svg:svg",
    { viewBox: `0 0 ${10 * SHADES} 12`, class: "ramp", "aria-hidden": "true" },
    rects,
  );
  return [make("li", {}, `${target.name}: ${number(low)} `, ramped, ` ${number(high)}`)];
}

function partsOfCurve(target) {
  const path = make("svg:path", { d: "M0 3h30" });
  const line = make("svg:svg", { viewBox: "0 0 30 6", class: "line second", "aria-hidden": "true" }, path);
  const mark = make("span", { class: "mark", "aria-hidden": "true" }, SHAPES[0]);
  return [
    make("li", { class: "data" }, mark, ` ${target.name} in the data`),
    make("li", {}, line, " what the network answers"),
  ];
}
