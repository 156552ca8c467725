// What is amiss, in words, one box a matter. A box changes only when its words do: it is read aloud then.
import { element } from "/page/words.js";

const ORDER = ["page", "notices", "redis", "kafka", "worker", "stalled", "rules"];

export class Alerts {
  constructor(box) {
    this.box = box;
    this.shown = new Map();
  }

  // `text`, and `lines` under it; empty: nothing is amiss. `state` is down, degraded or unknown.
  set(name, text, state = "down", lines = []) {
    const before = this.shown.get(name), now = text ? [state, text, ...lines].join("\n") : "";
    if ((before?.words ?? "") === now) return;
    before?.node.remove();
    this.shown.delete(name);
    if (!now) return;
    const list = lines.length ? [element("ul", {}, ...lines.map((line) => element("li", { text: line })))] : [];
    const node = element("div", { class: "alert", "data-state": state, "data-testid": `alert-${name}` }, element("p", { text }), ...list);
    this.shown.set(name, { words: now, node });
    const next = ORDER.slice(ORDER.indexOf(name) + 1).find((other) => this.shown.has(other));
    this.box.insertBefore(node, next ? this.shown.get(next).node : null);
  }
}
