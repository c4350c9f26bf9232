// The one cursor of time, over the snapshots of a training: live at the newest until somebody moves it, and playable.

const FRAME = 40;
const SLOW_FRAME = 500; // milliseconds; slow where motion is to be reduced

export class Time {
  // `moved` is called, once a frame, when the cursor points elsewhere; `settled` when a hand has let it go.
  constructor(cursor, button, moved, settled) {
    Object.assign(this, { cursor, button, moved, live: true, frame: 0, playing: 0 });
    cursor.addEventListener("input", () => this.seek(Number(cursor.value)));
    cursor.addEventListener("change", settled);
    button.addEventListener("click", () => this.play());
  }

  get position() {
    return Number(this.cursor.value);
  }

  get end() {
    return Number(this.cursor.max);
  }

  // There are so many snapshots now: a live cursor stays at the newest, any other where it is.
  extend(count) {
    this.cursor.max = Math.max(0, count - 1);
    if (this.live) this.cursor.value = this.end;
  }

  set(position) {
    this.live = position >= this.end;
    this.cursor.value = position;
  }

  seek(position) {
    this.set(position);
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(this.moved);
  }

  describe(words) {
    this.cursor.setAttribute("aria-valuetext", words);
  }

  // From here to the newest, from the first where that is shown; a second press ends it.
  play() {
    cancelAnimationFrame(this.playing);
    const pressed = this.button.getAttribute("aria-pressed") === "true";
    this.button.setAttribute("aria-pressed", String(!pressed));
    if (pressed) return;
    if (this.position >= this.end) this.seek(0);
    const pause = matchMedia("(prefers-reduced-motion: reduce)").matches ? SLOW_FRAME : FRAME;
    let before = performance.now();
    const step = (now) => {
      if (now - before > pause) {
        before = now;
        this.seek(this.position + 1);
      }
      if (this.position < this.end) this.playing = requestAnimationFrame(step);
      else this.button.setAttribute("aria-pressed", "false");
    };
    this.playing = requestAnimationFrame(step);
  }
}
