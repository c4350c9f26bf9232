// News of a job: told by its event stream while the page is seen, else asked for with growing pauses.
// The service opens few streams, so many pages share what is left by asking less and less often.

import { API, complain, show } from "./page.js";
import { keyHeader } from "./key.js";

const LEAST = 1_000;
const MOST = 10_000;
const QUIET_STREAM = 5_000;
const STREAM_AGAIN = 30_000; // milliseconds
const STREAM_SLOTS = ["gradhouse-stream-1", "gradhouse-stream-2"];
const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

export class Live {
  // `refresh` asks for what is new, and says whether nothing more will come.
  constructor(path, refresh) {
    Object.assign(this, { path, refresh, last: null, news: false, streaming: false, streamAt: 0 });
  }

  async run() {
    let pause = LEAST;
    for (;;) {
      try {
        if (await this.refresh()) break;
        show("trouble", "");
        pause = this.streaming ? LEAST : Math.min(MOST, 1.5 * pause);
      } catch (error) {
        complain(error);
        pause = Math.min(MOST, Math.max(2 * pause, 1_000 * (error.retryAfter ?? 0)));
      }
      if (document.hidden) await this.seen();
      if (!this.streaming && performance.now() >= this.streamAt) {
        this.streamAt = performance.now() + STREAM_AGAIN * (0.8 + 0.4 * Math.random());
        this.listen().catch(() => {});
      }
      await wait(LEAST);
      await this.told(Math.max(this.streaming ? QUIET_STREAM : pause, LEAST) - LEAST);
    }
    this.close();
  }

  // Until the stream has something to tell, but no longer than this.
  told(milliseconds) {
    if (this.streaming && this.news) {
      this.news = false;
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.wake = () => {
        this.news = false;
        clearTimeout(timer);
        resolve();
      };
    });
  }

  // A page that nobody sees holds no stream and asks for nothing.
  seen() {
    this.close();
    return new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));
  }

  // A browser opens some six connections to one service: at most so many pages of it may hold one for a stream.
  async listen() {
    if (!navigator.locks) return this.read();
    for (const slot of STREAM_SLOTS) {
      if (
        await navigator.locks.request(
          slot,
          { ifAvailable: true },
          (lock) => lock && this.read().then(() => true),
        )
      )
        return;
    }
  }

  // Reads the stream as long as it lasts; the browser's own EventSource could send no key.
  async read() {
    this.abort = new AbortController();
    const headers = {
      ...keyHeader(),
      Accept: "text/event-stream",
      ...(this.last ? { "Last-Event-ID": this.last } : {}),
    };
    try {
      const answer = await fetch(`${API}${this.path}`, { headers, signal: this.abort.signal });
      if (!answer.ok) return;
      this.streaming = true;
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let part = await reader.read(); !part.done; part = await reader.read()) this.hear(part.value);
      this.streamAt = 0; // it ended in its time: the next one goes on
    } finally {
      this.streaming = false;
      this.wake?.();
    }
  }

  hear(text) {
    const ids = [...text.matchAll(/^id: (\d+)$/gm)];
    if (!ids.length) return;
    this.last = ids.at(-1)[1];
    this.news = true;
    this.wake?.();
  }

  close() {
    this.abort?.abort();
  }
}
