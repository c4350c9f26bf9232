// What the colours and shapes of a surface stand for.

import { ramp, shapeOf } from "./draw.js";
import { find, make, number, show } from "./page.js";

const SHAPES = ["●", "■", "▲", "◆"];

export function showLegend(id, network, range) {
  if (network.classes) {
    if (find(id).children.length === network.classes.length) return; // classes never change
    show(id, ...network.classes.map((label, i) => make("li", { class: `class-${i % 8}` }, make("span", { class: "mark", "aria-hidden": "true" }, SHAPES[shapeOf(i)]), ` ${label}`)));
    return;
  }
  const shades = Array.from({ length: 9 }, (_, i) => make("svg:rect", { x: 10 * i, width: 10, height: 12, fill: ramp(i / 8, { low: 0, high: 1 }) }));
  show(id, make("li", {}, `${network.target.name}: ${number(range.low)} `, make("svg:svg", { viewBox: "0 0 90 12", class: "ramp", "aria-hidden": "true" }, shades), ` ${number(range.high)}`));
}
