// The newest cues. Held still while somebody points at the list.
import { clock, element, plain } from "/page/words.js";

const KEPT = 60;
const REDRAW_MS = 300;

export class Cues {
  constructor(choose) {
    this.choose = choose;
    this.list = document.getElementById("cues");
    this.waiting = [];
    this.fresh = 0;
    this.chosen = null;
    setInterval(() => this.draw(), REDRAW_MS);
  }

  add(cue) {
    this.waiting.push(cue);
    if (this.waiting.length > KEPT) this.waiting.shift();
    this.fresh += 1;
  }

  // How many came since it was last asked.
  since() {
    const fresh = this.fresh;
    this.fresh = 0;
    return fresh;
  }

  draw() {
    if (!this.waiting.length) return this.hint(false);
    const held = this.list.childElementCount > 0 && Boolean(this.list.matches(":hover") || this.list.querySelector(":focus-visible"));
    this.hint(held);
    if (held) return;
    document.getElementById("no-cues").hidden = true;
    for (const cue of this.waiting) this.list.prepend(this.item(cue));
    this.waiting = [];
    while (this.list.childElementCount > KEPT) this.list.lastElementChild.remove();
  }

  hint(held) {
    const hint = document.getElementById("held");
    hint.hidden = !held;
    if (held) hint.textContent = `held while you point at it, ${this.waiting.length} waiting`;
  }

  item(cue) {
    const button = element(
      "button",
      { type: "button", on: { click: () => this.pick(cue, item) } },
      element("span", { class: "top" },
        element("span", { class: "tag", text: plain(cue.indicator) }),
        element("span", { class: "id", text: cue.customer }),
        element("time", { text: clock(cue.at), title: "event time of the rise, UTC" })),
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
