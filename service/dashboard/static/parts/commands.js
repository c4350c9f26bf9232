// "The same from a terminal": the very requests of a page, as curl and as Python, to copy.

import { API, make, show } from "./page.js";
import { hasKey } from "./key.js";

// `requests` are {path, body?, method?, binary?}; a body makes it a POST. No key is ever written, only where it stands.
export function showCommands(id, requests) {
  const forms = [
    ["curl", requests.map(curl).join("\n")],
    [
      "Python",
      [...(hasKey() ? ["import os", ""] : []), "import httpx", "", ...requests.map(python)].join("\n"),
    ],
  ];
  show(
    id,
    ...forms.map(([name, text]) =>
      make(
        "div",
        { class: "command" },
        make(
          "button",
          { type: "button", click: (event) => copy(event.currentTarget, text) },
          `Copy as ${name}`,
        ),
        make(
          "pre",
          { tabindex: 0, role: "region", "aria-label": `The same with ${name}` },
          make("code", {}, text),
        ),
      ),
    ),
  );
}

const address = (path) => `${location.origin}${API}${path}`;
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function curl({ path, body, method }) {
  const words = ["curl -s", ...(method ? [`-X ${method}`] : []), quoted(address(path))];
  if (hasKey()) words.push('-H "Authorization: Bearer $GRADHOUSE_KEY"');
  if (body !== undefined)
    words.push("-H 'Content-Type: application/json'", `-d ${quoted(JSON.stringify(body))}`);
  return words.join(" ");
}

function python({ path, body, method }) {
  const verb = (method ?? (body === undefined ? "GET" : "POST")).toLowerCase();
  const words = [JSON.stringify(address(path))];
  if (body !== undefined) words.push(`json=${literal(body)}`);
  if (hasKey()) words.push('headers={"Authorization": f"Bearer {os.environ[\'GRADHOUSE_KEY\']}"}');
  return `print(httpx.${verb}(${words.join(", ")}).json())`;
}

// JSON's words as Python's.
function literal(value) {
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (value !== null && typeof value === "object")
    return `{${Object.entries(value)
      .map(([name, each]) => `${JSON.stringify(name)}: ${literal(each)}`)
      .join(", ")}}`;
  if (typeof value === "boolean") return value ? "True" : "False";
  return value === null ? "None" : JSON.stringify(value);
}

// Where the browser has no clipboard for this page, the text is selected to be copied by hand.
async function copy(button, text) {
  const name = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(button.nextElementSibling);
    button.textContent = "Selected: press Ctrl-C";
  }
  setTimeout(() => (button.textContent = name), 2_000);
}
