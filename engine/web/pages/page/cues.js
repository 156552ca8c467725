// The newest cues. New ones wait, counted, while the list is held.
import { Hold } from "/page/hold.js";
import { clock, count, element, plain } from "/page/words.js";

const KEPT = 60;
const REDRAW_MS = 300;
const at = (id) => document.getElementById(id);

export class Cues {
  constructor(choose) {
    this.choose = choose;
    this.list = at("cues");
    this.hold = new Hold(this.list);
    this.known = []; // ids, as a stream that was opened again repeats the newest
    this.waiting = [];
    this.missed = 0;
    this.chosen = null;
    at("pause").addEventListener("click", () => this.pause());
    at("new-cues").addEventListener("click", () => this.catchUp());
    at("cue-section").addEventListener("keydown", (event) => {
      if (event.key === "p" && !event.ctrlKey && !event.metaKey && !event.altKey) this.pause();
    });
    setInterval(() => this.draw(), REDRAW_MS);
  }

  add(id, cue) {
    if (this.known.includes(id)) return false;
    this.known.push(id);
    if (this.known.length > 4 * KEPT) this.known.shift();
    this.waiting.push(cue);
    if (this.waiting.length > KEPT) this.waiting.shift();
    this.missed += 1;
    return true;
  }

  pause() {
    this.hold.paused = !this.hold.paused;
    at("pause").textContent = this.hold.paused ? "Resume" : "Pause";
    this.draw();
  }

  // Show what waits and go to the top; the keyboard goes on from there.
  catchUp() {
    const byKeyboard = at("new-cues").matches(":focus-visible");
    this.list.scrollTop = 0;
    this.put();
    this.hint();
    if (byKeyboard) this.list.querySelector("button")?.focus();
  }

  draw() {
    if (!this.hold.reason() || !this.list.childElementCount) this.put();
    this.hint();
  }

  put() {
    if (!this.waiting.length) return;
    at("no-cues").hidden = true;
    this.list.prepend(...this.waiting.map((cue) => this.item(cue)).reverse());
    this.waiting = [];
    this.missed = 0;
    while (this.list.childElementCount > KEPT) this.list.lastElementChild.remove();
  }

  hint() {
    const reason = this.missed || this.hold.paused ? this.hold.reason() : "";
    write(at("held"), reason);
    write(at("new-cues"), `${count(this.missed)} new`);
    at("new-cues").hidden = !this.missed || !reason;
  }

  item(cue) {
    const button = element(
      "button",
      { type: "button", on: { click: () => this.pick(cue, item) } },
      element("span", { class: "top" },
        element("span", { class: "tag", text: plain(cue.indicator) }),
        element("span", { class: "id", text: cue.customer }),
        element("span", { class: "channel", text: cue.channels.join(", "), title: "where it is shown" }),
        element("time", { text: clock(cue.at), title: "engine time of the activation, in your time zone" })),
      element("span", { class: "say", text: cue.say || plain(cue.offerId) }),
    );
    const item = element("li", { "data-testid": "cue-item", class: "new" }, button);
    return item;
  }

  pick(cue, item) {
    if (this.chosen) delete this.chosen.dataset.chosen;
    this.chosen = item;
    item.dataset.chosen = "true";
    this.choose(cue);
  }
}

function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
