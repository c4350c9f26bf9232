// What every page needs: requests, elements, numbers in words, and the state kept in the address.

export const API = "/api/v1";

export class Refused extends Error {
  constructor(problem) {
    super(problem.detail || problem.title || "the service refused");
    this.problem = problem;
  }
}

export async function ask(path, { body, method, as = "json" } = {}) {
  const options = { method: method ?? (body === undefined ? "GET" : "POST"), headers: {} };
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  const answer = await fetch(API + path, options);
  if (!answer.ok) {
    const problem = await answer.json().catch(() => ({ detail: `the service answered ${answer.status}` }));
    throw new Refused(problem);
  }
  return as === "buffer" ? answer.arrayBuffer() : as === "text" ? answer.text() : answer.json();
}

// An element, or with the prefix "svg:" one of SVG; children are nodes or texts.
export function make(tag, attributes = {}, ...children) {
  const element = tag.startsWith("svg:")
    ? document.createElementNS("http://www.w3.org/2000/svg", tag.slice(4))
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat());
  return element;
}

export const find = (id) => document.getElementById(id);

export function show(id, ...children) {
  find(id).replaceChildren(...children);
}

// Fact and remedy of an error, in the page's place for them.
export function complain(error) {
  const problem = error.problem;
  const words = problem?.hint ? `${error.message}. ${problem.hint}` : error.message;
  show("trouble", words);
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
  const kept = Object.entries(state).filter(([, value]) => value !== null && value !== "");
  const text = new URLSearchParams(kept).toString();
  history.replaceState(null, "", text ? `?${text}` : location.pathname);
}

// Calls `work` soon, and never twice at once: what comes meanwhile is answered by one more call.
export function coalesced(work) {
  let busy = false, again = false;
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
        show("trouble");
      } catch (error) {
        complain(error);
      }
    } while (again);
    busy = false;
  };
}

export function colours() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue(name).trim();
  return { ground: read("--canvas"), text: read("--canvas-text"), line: read("--canvas-line"), mark: read("--canvas-mark"), curves: [read("--canvas-first"), read("--canvas-second")] };
}

export function onThemeChange(work) {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", work);
}
