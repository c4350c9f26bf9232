// The key of a service that wants one: asked for once, kept for this tab alone, sent as a header, never in an address.

const NAME = "gradhouse-key";

export function keyHeader() {
  const key = sessionStorage.getItem(NAME);
  return key ? { Authorization: `Bearer ${key}` } : {};
}

export const hasKey = () => sessionStorage.getItem(NAME) !== null;
export const forgetKey = () => sessionStorage.removeItem(NAME);

let asking = null;

// Resolves when somebody has entered a key; all who ask meanwhile wait for the same form.
export function enterKey(problem) {
  asking ??= new Promise((resolve) => {
    const box = document.getElementById("key-box");
    const field = document.getElementById("key");
    document.getElementById("key-why").textContent = sessionStorage.getItem(NAME) ? problem.detail : "";
    sessionStorage.removeItem(NAME);
    box.addEventListener(
      "submit",
      () => {
        sessionStorage.setItem(NAME, field.value.trim());
        field.value = "";
        asking = null;
        resolve();
      },
      { once: true },
    );
    box.addEventListener("cancel", (event) => event.preventDefault());
    box.showModal();
  });
  return asking;
}
