// What is amiss, in words, one box a matter. Read aloud when it begins, gets better or worse, and ends: not at every
// second that a box counts.
import { element } from "/page/words.js";

const ORDER = ["page", "notices", "redis", "kafka", "worker", "stalled", "rules"];

export class Alerts {
  constructor(box, aloud) {
    this.box = box;
    this.aloud = aloud;
    this.shown = new Map();
  }

  // `text`, and `lines` under it; empty: nothing is amiss. `state` is down or degraded.
  set(name, text, state = "down", lines = []) {
    const before = this.shown.get(name);
    if (!text) return before && this.remove(name, before);
    const words = [state, text, ...lines].join("\n");
    if (before?.words === words) return;
    const shown = before ?? this.add(name);
    shown.node.dataset.state = state;
    shown.node.replaceChildren(element("p", { text }), ...listed(lines));
    if (before?.state !== state) this.say(text);
    this.shown.set(name, { ...shown, words, state, text });
  }

  add(name) {
    const node = element("div", { class: "alert", "data-testid": `alert-${name}` });
    const next = ORDER.slice(ORDER.indexOf(name) + 1).find((other) => this.shown.has(other));
    this.box.insertBefore(node, next ? this.shown.get(next).node : null);
    return { node };
  }

  remove(name, { node, text }) {
    node.remove();
    this.shown.delete(name);
    this.say(`Over: ${text}`);
  }

  say(text) {
    this.aloud.textContent = text;
  }
}

function listed(lines) {
  return lines.length ? [element("ul", {}, ...lines.map((line) => element("li", { text: line })))] : [];
}
