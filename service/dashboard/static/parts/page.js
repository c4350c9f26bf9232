// What every page needs: requests, elements, numbers in words, and the state kept in the address.

import { enterKey, keyHeader } from "./key.js";

export const API = "/api/v1";

export class Refused extends Error {
  constructor(problem, status, retryAfter) {
    super(problem.detail || problem.title || "the service refused");
    Object.assign(this, { problem, status, retryAfter });
  }
}

// Where the service wants a key it is asked for, and the request is sent again with it.
export async function ask(path, { body, method, as = "json" } = {}) {
  for (;;) {
    const options = { method: method ?? (body === undefined ? "GET" : "POST"), headers: keyHeader() };
    if (body !== undefined) {
      options.headers["Content-Type"] = "application/json";
      options.body = JSON.stringify(body);
    }
    const answer = await fetch(API + path, options);
    if (answer.ok)
      return as === "buffer" ? answer.arrayBuffer() : as === "text" ? answer.text() : answer.json();
    const problem = await answer.json().catch(() => ({ detail: `the service answered ${answer.status}` }));
    if (answer.status !== 401)
      throw new Refused(problem, answer.status, Number(answer.headers.get("Retry-After")) || 0);
    await enterKey(problem);
  }
}

// Signs that are not seen, or turn the text around them: shown by their code, so that no name can disguise itself.
// Joiners (U+200C, U+200D) stay: words and pictures are written with them.
const UNSEEN =
  /[\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;
export const plain = (text) =>
  String(text).replace(
    UNSEEN,
    (sign) => `[U+${sign.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}]`,
  );

// An element, or with the prefix "svg:" one of SVG; children are nodes or texts, never markup.
export function make(tag, attributes = {}, ...children) {
  const element = tag.startsWith("svg:")
    ? document.createElementNS("http://www.w3.org/2000/svg", tag.slice(4))
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().map(asNode));
  return element;
}

const asNode = (child) => (child instanceof Node ? child : plain(child));

export const find = (id) => document.getElementById(id);

// Puts children in an element's place for them; what is there already is left alone.
export function show(id, ...children) {
  const nodes = children.map(asNode);
  const place = find(id);
  if (nodes.length === 1 && typeof nodes[0] === "string" && place.textContent === nodes[0]) return;
  place.replaceChildren(...nodes);
}

// A drawing of the service's; its names are as inert as any.
export function showDrawing(id, svg, label) {
  const picture = document.importNode(
    new DOMParser().parseFromString(svg, "image/svg+xml").documentElement,
    true,
  );
  picture.setAttribute("role", "img");
  picture.setAttribute("aria-label", plain(label));
  const walk = document.createTreeWalker(picture, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) walk.currentNode.data = plain(walk.currentNode.data);
  show(id, picture);
}

// Marks one node of a drawing, by its number in the graph, and brings it into view.
export function markNode(id, node) {
  for (const group of find(id).querySelectorAll("g.node")) {
    const marked = node !== null && group.querySelector("title")?.textContent === String(node);
    group.classList.toggle("chosen", marked);
    if (marked) bring(find(id), group);
  }
}

// Scrolls within the box alone, never the page.
function bring(box, element) {
  const [inner, outer] = [element.getBoundingClientRect(), box.getBoundingClientRect()];
  if (inner.left < outer.left || inner.right > outer.right)
    box.scrollLeft += inner.left - outer.left - 0.4 * outer.width;
  if (inner.top < outer.top || inner.bottom > outer.bottom)
    box.scrollTop += inner.top - outer.top - 0.4 * outer.height;
}

// Fact and remedy of an error, in the page's place for them.
export function complain(error) {
  const problem = error.problem;
  const more = (problem?.errors ?? []).slice(1).map((each) => each.detail);
  const words = [error.message, problem?.hint, ...more]
    .filter(Boolean)
    .map((text) => text.replace(/\.?$/, "."));
  show("trouble", words.join(" "));
}

export function number(x, digits = 4) {
  if (x === null || x === undefined || Number.isNaN(x)) return "not a number";
  if (x === 0 || (Math.abs(x) >= 1e-3 && Math.abs(x) < 1e5)) return Number(x.toPrecision(digits)).toString();
  return x.toExponential(digits - 1);
}

export function query() {
  return Object.fromEntries(new URLSearchParams(location.search));
}

export function keep(state) {
  const kept = Object.entries(state).filter(
    ([, value]) => value !== null && value !== undefined && value !== "" && value !== false,
  );
  const text = new URLSearchParams(kept).toString();
  history.replaceState(null, "", text ? `?${text}` : location.pathname);
}

// Calls `work` soon, and never twice at once: what comes meanwhile is answered by one more call.
export function coalesced(work) {
  let busy = false;
  let again = false;
  return async function run() {
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    do {
      again = false;
      try {
        await work();
        show("trouble", "");
      } catch (error) {
        complain(error);
      }
    } while (again);
    busy = false;
  };
}

// A table's rows by key: only those that changed are made anew, so that focus and selection stay.
export function showRows(id, rows, key, cells) {
  const place = find(id);
  const known = new Map([...place.children].map((row) => [row.dataset.key, row]));
  const wanted = rows.map((row) => {
    const made = make("tr", { "data-key": key(row) }, ...cells(row));
    const before = known.get(key(row));
    return before && before.innerHTML === made.innerHTML ? before : made;
  });
  if (wanted.length === place.children.length && wanted.every((row, i) => row === place.children[i])) return;
  place.replaceChildren(...wanted);
}

const dark = matchMedia("(prefers-color-scheme: dark)");
let known = null; // of this theme
dark.addEventListener("change", () => (known = null));

export function colours() {
  if (known) return known;
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue(name).trim();
  const curves = [read("--canvas-first"), read("--canvas-second")];
  return (known = {
    text: read("--canvas-text"),
    line: read("--canvas-line"),
    mark: read("--canvas-mark"),
    ground: channels(read("--canvas-soft")),
    curves,
    signs: curves.map(channels),
  });
}

// "#0072b2" as three numbers.
export const channels = (text) => [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16));

export const onThemeChange = (work) => dark.addEventListener("change", work);
